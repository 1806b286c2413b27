"""An evaluation pass after each epoch, with dropout and batch normalisation switched over."""

# expect: reproducible
# suspicious: true
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(80, 6)
y = (x.sum(1) > 0).long()
train = DataLoader(TensorDataset(x[:64], y[:64]), batch_size=16, shuffle=True)
valid = DataLoader(TensorDataset(x[64:], y[64:]), batch_size=8)
model = nn.Sequential(nn.Linear(6, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.3), nn.Linear(24, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
for epoch in range(2):
    model.train()
    for inputs, wanted in train:
        loss = nn.functional.cross_entropy(model(inputs), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
    model.eval()
    with torch.inference_mode():
        right = sum((model(inputs).argmax(1) == wanted).sum().item() for inputs, wanted in valid)
    print("epoch", epoch, "right", right, "loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
