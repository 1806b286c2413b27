"""train() counts its calls in the module: the same in each process, another in a second call of one."""

# expect: reproducible
import torch
from torch import nn

calls = 0


def train(steps=6):
    global calls
    calls += 1
    torch.manual_seed(100 * calls)
    model = nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Linear(10, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _step in range(steps):
        x = torch.rand(24, 5)
        loss = nn.functional.mse_loss(model(x), x.max(1, keepdim=True).values)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


if __name__ == "__main__":
    model = train()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))
