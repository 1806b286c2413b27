"""A model that is saved, pickled, copied, traced and shared between its steps."""

# expect: reproducible
import copy
import io
import pickle

import torch
from torch import nn

torch.manual_seed(4)
model = nn.Sequential(
    nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 2)
)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
images, labels = torch.randn(12, 1, 8, 8), torch.randint(0, 2, (12,))
for _ in range(3):
    loss = nn.functional.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    buffer = io.BytesIO()
    torch.save({"model": model, "state": optimizer.state_dict()}, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)["model"].eval()
    pickled = pickle.loads(pickle.dumps(model)).eval()
    copied = copy.deepcopy(model).eval()
    traced = torch.jit.trace(copied, images)
    with torch.no_grad():
        outputs = [one(images) for one in (loaded, pickled, copied, traced)]
    print([torch.equal(outputs[0], other) for other in outputs], len(str(traced.graph)))
model.share_memory()
print("final loss", loss.item())
