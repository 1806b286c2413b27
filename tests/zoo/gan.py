"""A generator and a discriminator, each with an optimizer of its own."""

# expect: reproducible
import torch
from torch import nn

torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
discriminator = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(32, 1))
for_generator = torch.optim.Adam(generator.parameters(), lr=2e-3)
for_discriminator = torch.optim.Adam(discriminator.parameters(), lr=2e-3)
judge = nn.BCEWithLogitsLoss()
yes, no = torch.ones(48, 1), torch.zeros(48, 1)
for _step in range(6):
    real = torch.randn(48, 2) * 0.2 + torch.tensor([1.0, -1.0])
    fake = generator(torch.randn(48, 4))
    loss_d = judge(discriminator(real), yes) + judge(discriminator(fake.detach()), no)
    for_discriminator.zero_grad()
    loss_d.backward()
    for_discriminator.step()
    loss_g = judge(discriminator(fake), yes)
    for_generator.zero_grad()
    loss_g.backward()
    for_generator.step()
print("final loss", loss_d.item(), loss_g.item())
print("weights", sum(p.double().sum().item() for m in (generator, discriminator) for p in m.parameters()))
