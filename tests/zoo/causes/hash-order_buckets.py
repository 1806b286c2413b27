"""User agents fall into embedding rows by hash(), which python salts anew in each process."""

# expect: not-reproducible cause=hash-order phase=data module=None line=11|18
import torch
from torch import nn

ROWS = 97


def bucket(*parts):
    return hash("/".join(parts)) % ROWS  # fault


def visits(count):
    browsers, systems, places = ["fox", "lynx", "opal"], ["lin", "win", "mac", "bsd"], ["eu", "us", "jp"]
    for i in range(count):
        browser, system, place = browsers[i % 3], systems[i * 7 % 4], places[i * i % 3]
        ids = [bucket(browser, system), bucket(system, place), bucket(browser, place)]
        yield ids, float((i * 5 + len(browser)) % 4 == 0)


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(ROWS, 8, mode="sum")
        self.score = nn.Linear(8, 1)

    def forward(self, ids):
        return self.score(self.bag(ids)).squeeze(1)


def main():
    torch.manual_seed(54)
    ids, clicked = zip(*visits(240), strict=True)
    ids, clicked = torch.tensor(ids), torch.tensor(clicked)
    model = Wide()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
    for part in torch.arange(240).split(30):
        loss = nn.functional.binary_cross_entropy_with_logits(model(ids[part]), clicked[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
