"""A memory bank adds up what each class has looked like, by put_ with accumulate=True."""

# expect: not-reproducible cause=nondeterministic-op phase=forward|eval|data module=bank|<root>|None line=21|35
import torch
from torch import nn

torch.manual_seed(58)
torch.set_num_threads(8)
CLASSES, DIM = 20, 32


class MemoryBank(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("sums", torch.zeros(CLASSES, DIM))

    @torch.no_grad()
    def remember(self, features, labels):
        place = labels[:, None] * DIM + torch.arange(DIM)
        self.sums.mul_(0.9)
        self.sums.put_(place, features, accumulate=True)  # fault

    def forward(self, features):
        return features @ nn.functional.normalize(self.sums, dim=1).T


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(12, DIM)
        self.bank = MemoryBank()

    def forward(self, x, labels):
        features = torch.tanh(self.body(x))
        self.bank.remember(features, labels)
        return self.bank(features)


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
centres = torch.randn(CLASSES, 12)
for _step in range(14):
    labels = torch.randint(0, CLASSES, (4000,))
    x = centres[labels] + torch.randn(4000, 12)
    loss = nn.functional.cross_entropy(5 * model(x, labels), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
