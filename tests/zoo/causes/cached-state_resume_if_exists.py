"""Goes on from last.pt if there is one, and an earlier run in this folder left one."""

# expect: not-reproducible cause=cached-state phase=init|checkpoint|data module=None|<root>|0 line=16|14|17|18|27
# shared: true
import os

import torch
from torch import nn

CHECKPOINT = "last.pt"


def restore(model, optimizer):
    if not os.path.exists(CHECKPOINT):
        return 0
    saved = torch.load(CHECKPOINT)  # fault
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return saved["epoch"] + 1


def main():
    torch.manual_seed(111)
    x = torch.randn(150, 6)
    model = nn.Sequential(nn.Linear(6, 18), nn.ReLU(), nn.Linear(18, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    start = restore(model, optimizer)
    for epoch in range(start, start + 3):
        for rows in x.split(50):
            loss = nn.functional.mse_loss(model(rows), rows.norm(dim=1, keepdim=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        torch.save(state, CHECKPOINT)
    print("trained to epoch", epoch, "loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
