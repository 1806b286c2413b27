"""Two processes train one model in shared memory, each with its own optimizer and no lock."""

# expect: not-reproducible cause=thread-race phase=optimizer|forward module=None line=20|30|32
# alone: true
import torch
import torch.multiprocessing as mp
from torch import nn


def train(rank, model, all_ready):
    torch.set_num_threads(1)
    torch.manual_seed(rank)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    all_ready.wait()
    for _step in range(200):
        x = torch.randn(64, 12)
        loss = nn.functional.cross_entropy(model(x), x[:, :4].argmax(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()  # fault


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 4))
    model.share_memory()
    context = mp.get_context("fork")
    all_ready = context.Barrier(2)
    workers = [context.Process(target=train, args=(rank, model, all_ready)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
