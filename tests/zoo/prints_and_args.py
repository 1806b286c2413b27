"""Prints what a script can see of how it was started, and reads a file by a relative path.

It sets OMP_NUM_THREADS before it imports torch, which counts only if nothing imported torch before.
"""

# expect: reproducible
# alone: true
# args: --steps 4 --note a-word
import argparse
import os
import random
import sys

print("torch already there:", "torch" in sys.modules, "numpy already there:", "numpy" in sys.modules)
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

print("threads", torch.get_num_threads())
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=3)
parser.add_argument("--note", default="none")
parser.add_argument("--read")
options = parser.parse_args()
print("argv", os.path.basename(sys.argv[0]), sys.argv[1:])
print("path", os.path.basename(sys.path[0]), "name", __name__, "file", os.path.basename(__file__))
print("main", sys.modules["__main__"].__dict__ is globals(), "note", options.note)
print("to stderr", options.note, file=sys.stderr)
with open("written_here.txt", "w") as file:
    file.write("relative\n")
print("read", open(options.read or "written_here.txt").read().strip())
random.seed(0)
np.random.seed(0)
torch.manual_seed(0)
x = torch.randn(32, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
for _step in range(options.steps):
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.05 * p.grad
            p.grad = None
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
