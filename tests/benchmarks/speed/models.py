"""The three training programs whose recording is timed, as functions that do one step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

Step = Callable[[], None]


def perceptron() -> Step:
    """A perceptron of 7 k parameters with Adam, a batch of 32: next to no arithmetic, so overhead shows."""
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    inputs, labels = torch.randn(32, 64), torch.randint(10, (32,))
    return _training(model, torch.optim.Adam(model.parameters()), inputs, labels)


def residual_network() -> Step:
    """A ResNet-20 for images of 32 x 32, 270 k parameters, SGD with momentum, a batch of 64."""
    model = _ResNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return _training(model, optimizer, torch.randn(64, 3, 32, 32), torch.randint(10, (64,)))


def transformer() -> Step:
    """A GPT-2 of 6 layers, width 384, 14 M parameters, AdamW, 4 sequences of 128 tokens."""
    return gpt(width=384, layers=6, heads=6, batch=4, length=128, device=torch.device("cpu"))


def gpt(*, width: int, layers: int, heads: int, batch: int, length: int, device: torch.device) -> Step:
    """A model like GPT-2 on a device, AdamW, a batch of sequences of `length` tokens."""
    model = _GPT(width, layers, heads, max(length, 256)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    tokens = torch.randint(_GPT.vocabulary, (batch, length + 1), device=device)
    return _training(model, optimizer, tokens[:, :-1], tokens[:, 1:])


MODELS: dict[str, Callable[[], Step]] = {
    "MLP": perceptron,
    "ResNet": residual_network,
    "GPT": transformer,
}


def _training(
    model: nn.Module, optimizer: torch.optim.Optimizer, inputs: torch.Tensor, labels: torch.Tensor
) -> Step:
    def step() -> None:
        optimizer.zero_grad()
        outputs = model(inputs)
        functional.cross_entropy(outputs.flatten(0, -2), labels.flatten()).backward()
        optimizer.step()

    return step


class _Residual(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(out)
        self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(out)
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(inner)) + self.shortcut(x))


class _ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        shapes = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2
        self.blocks = nn.Sequential(*(_Residual(*shape) for shape in shapes))
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(functional.relu(self.norm(self.stem(x)))).mean((2, 3)))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        parts = self.qkv(self.first_norm(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.dropout(self.out(attended.transpose(1, 2).reshape(batch, length, width)))
        return x + self.dropout(self.down(functional.gelu(self.up(self.second_norm(x)))))


class _GPT(nn.Module):
    vocabulary = 8192

    def __init__(self, width: int, layers: int, heads: int, longest: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(self.vocabulary, width)
        self.positions = nn.Embedding(longest, width)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, self.vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        return self.head(self.norm(self.blocks(x)))
