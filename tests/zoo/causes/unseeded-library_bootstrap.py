"""An ensemble on bootstrap samples, which sklearn.utils.resample draws without a random_state."""

# expect: not-reproducible cause=unseeded-library|unseeded-numpy phase=data module=None line=31
# requires: scikit-learn
import torch
from sklearn.datasets import make_moons
from sklearn.utils import resample
from torch import nn

torch.manual_seed(0)
points, sides = make_moons(200, noise=0.1, random_state=0)


def member(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 20), nn.ELU(), nn.Linear(20, 1), nn.Flatten(0))


def fit(model, x, y, steps=8):
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    for _step in range(steps):
        loss = nn.functional.soft_margin_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


ensemble = []
for seed in range(3):
    x, y = resample(points, sides)  # fault
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(2 * y - 1, dtype=torch.float32)
    ensemble.append(fit(member(seed), x, y))

votes = sum(model(torch.tensor(points, dtype=torch.float32)).sign() for model in ensemble)
print("agree", int((votes.abs() == 3).sum()))
print("weights", sum(p.double().sum().item() for model in ensemble for p in model.parameters()))
