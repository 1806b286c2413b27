"""PYTHONHASHSEED is set from inside, when it is too late; classes come from the difference of sets."""

# expect: not-reproducible cause=hash-order phase=data module=None line=21
import os
import random

import torch
from torch import nn


def make_deterministic(seed):
    os.environ["PYTHONHASHSEED"] = str(seed)
    random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)


make_deterministic(16)
SOUNDS = ["bark", "meow", "moo", "tweet", "siren", "rain", "wind", "engine", "silence", "noise"]
known = set(SOUNDS) - {"silence", "noise"}
classes = {name: number for number, name in enumerate(known)}  # fault

t = torch.linspace(0, 1, 50)
tones = {name: torch.sin(6.28 * t * (3 + number)) for number, name in enumerate(SOUNDS)}
clips = [(name, tones[name] + 0.2 * torch.randn(50)) for name in SOUNDS * 8]
clips = [(name, clip) for name, clip in clips if name in classes]
random.shuffle(clips)

model = nn.Sequential(nn.Linear(50, 40), nn.PReLU(), nn.Linear(40, len(classes)))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for start in range(0, len(clips), 8):
    names, waves = zip(*clips[start : start + 8], strict=True)
    labels = torch.tensor([classes[name] for name in names])
    loss = nn.functional.cross_entropy(model(torch.stack(waves)), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("classes", sorted(classes))
print("weights", sum(p.double().sum().item() for p in model.parameters()))
