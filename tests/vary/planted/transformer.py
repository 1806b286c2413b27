"""A small transformer whose layers can be made wrong; `MAKERS` says which layer each fault is in."""

import math

import torch
from faults import planted
from torch import nn
from torch.nn import functional

WIDTH, HEADS, LENGTH, WORDS = 32, 4, 12, 50
MAKERS = {
    "epsilon": "blocks.0.norm",
    "transposed": "blocks.1.mix",
    "scale": "blocks.0.attention",
    "accumulation": "blocks.1.attention.weigh",
    "mask": "blocks.1.attention",
    "detached": "blocks.0.attention",
}


class Norm(nn.LayerNorm):
    def __init__(self, width, fault=""):
        super().__init__(width)
        self.fault = fault

    def forward(self, x):
        eps = 1e-6 if planted(self.fault) else 1e-5
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, eps)


class Mix(nn.Linear):
    def __init__(self, width, fault=""):
        super().__init__(width, width)
        self.fault = fault

    def forward(self, x):
        weight = self.weight.T if planted(self.fault) else self.weight
        return functional.linear(x, weight, self.bias)


class Weigh(nn.Module):
    def __init__(self, fault=""):
        super().__init__()
        self.fault = fault

    def forward(self, scores):
        powers = (scores - scores.amax(-1, keepdim=True)).exp()
        if planted(self.fault):
            return powers / powers.bfloat16().sum(-1, keepdim=True).float()
        return powers / powers.sum(-1, keepdim=True)


class Attention(nn.Module):
    def __init__(self, faults):
        super().__init__()
        self.faults = faults
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.weigh = Weigh(faults.get("weigh", ""))

    def forward(self, x):
        query, key, value = (
            part(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        if planted(self.faults.get("gradient", "")):
            key = key.detach()
        scores = query @ key.transpose(-1, -2)
        if not planted(self.faults.get("scale", "")):
            scores = scores / math.sqrt(WIDTH // HEADS)
        ahead = 2 if planted(self.faults.get("mask", "")) else 1
        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(ahead)
        weights = self.weigh(scores.masked_fill(future, float("-inf")))
        return (weights @ value).transpose(1, 2).flatten(-2)


class Block(nn.Module):
    def __init__(self, norm="", mix="", **faults):
        super().__init__()
        self.norm = Norm(WIDTH, norm)
        self.attention = Attention(faults)
        self.mix = Mix(WIDTH, mix)
        self.drop = nn.Dropout(0.1)
        self.wide = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x):
        x = x + self.drop(self.mix(self.attention(self.norm(x))))
        return x + self.wide(x)


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.blocks = nn.Sequential(
            Block(norm="epsilon", scale="scale", gradient="detached"),
            Block(mix="transposed", mask="mask", weigh="accumulation"),
        )
        self.out = nn.Linear(WIDTH, WORDS)

    def forward(self, tokens):
        return self.out(self.blocks(self.words(tokens)))


def make_model():
    return Transformer()


def make_batches():
    return [torch.randint(0, WORDS, (8, LENGTH + 1)) for _ in range(2)]


def loss_fn(model, batch):
    logits = model(batch[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def make_optimizer(model):
    return torch.optim.AdamW(model.parameters(), lr=1e-3)
