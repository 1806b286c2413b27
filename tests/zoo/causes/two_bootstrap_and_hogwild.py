"""A bootstrap sample by scikit-learn without a random_state, then threads that train one model together."""

# expect: not-reproducible cause=unseeded-library|unseeded-numpy phase=data module=None line=17
# also: cause=thread-race line=29|40
# requires: scikit-learn
import threading

import torch
from sklearn.datasets import make_friedman1
from sklearn.utils import resample
from torch import nn

torch.manual_seed(41)
torch.set_num_threads(1)

x, y = make_friedman1(300, n_features=6, random_state=41)
x, y = resample(x, y, n_samples=240)  # fault
x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y / 10, dtype=torch.float32)
model = nn.Sequential(nn.Linear(6, 40), nn.Tanh(), nn.Linear(40, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)


def descend(rows, rounds=50):
    for _ in range(rounds):
        loss = nn.functional.mse_loss(model(x[rows]).squeeze(1), y[rows])
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for p, gradient in zip(model.parameters(), gradients, strict=True):
                p -= 0.05 * gradient  # fault


for _step in range(6):
    loss = nn.functional.mse_loss(model(x).squeeze(1), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

threads = [threading.Thread(target=descend, args=(rows,)) for rows in torch.arange(240).chunk(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
