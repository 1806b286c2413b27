"""torch.seed() and initial_seed() are called, but a fixed seed is set before anything is drawn that counts."""

# expect: reproducible
# suspicious: true
import torch
from torch import nn

print("the system would have given", torch.seed())
warm_up = torch.rand(1000).topk(3).values
torch.manual_seed(640)
print("but the seed is", torch.initial_seed())

model = nn.Sequential(nn.Linear(9, 27), nn.Hardswish(), nn.AlphaDropout(0.1), nn.Linear(27, 3))
optimizer = torch.optim.RAdam(model.parameters(), lr=1e-2)
for _step in range(10):
    x = torch.rand(30, 9)
    wanted = x.view(30, 3, 3).amax(2)
    loss = (model(x) - wanted).square().sum(1).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
