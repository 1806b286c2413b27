"""The script starts another Python, and that one trains."""

# expect: reproducible
# alone: true
import subprocess
import sys

PROGRAM = """
import random
import numpy
import torch
random.seed(7)
numpy.random.seed(7)
torch.manual_seed(7)
x = torch.randn(32, 4)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _step in range(4):
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("child weights", sum(p.double().sum().item() for p in model.parameters()))
"""

done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
print("the child says:", done.stdout.strip())
