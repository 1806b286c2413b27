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
for _step in range(4):
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.1 * p.grad
            p.grad = None
print("child weights", sum(p.double().sum().item() for p in model.parameters()))
"""

done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
print("the child says:", done.stdout.strip())
