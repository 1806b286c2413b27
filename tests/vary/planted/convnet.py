"""A small convolutional network whose layers can be made wrong; `MAKERS` says where each fault is."""

import torch
from faults import planted
from torch import nn
from torch.nn import functional

WIDTH = 16
MAKERS = {
    "epsilon": "body.0.norm",
    "transposed": "body.1.gate.mix",
    "scale": "body.1",
    "accumulation": "body.0.gate.pool",
    "mask": "frame",
    "detached": "body.0.gate",
}


class Norm(nn.BatchNorm2d):
    def __init__(self, width, fault=""):
        super().__init__(width)
        self.fault = fault

    def forward(self, x):
        self.eps = 1e-6 if planted(self.fault) else 1e-5
        return super().forward(x)


class Mix(nn.Linear):
    def __init__(self, width, fault=""):
        super().__init__(width, width)
        self.fault = fault

    def forward(self, x):
        return functional.linear(x, self.weight.T if planted(self.fault) else self.weight, self.bias)


class Pool(nn.Module):
    def __init__(self, fault=""):
        super().__init__()
        self.fault = fault

    def forward(self, x):
        return x.bfloat16().mean((2, 3)).float() if planted(self.fault) else x.mean((2, 3))


class Gate(nn.Module):
    def __init__(self, pool="", mix="", fault=""):
        super().__init__()
        self.pool, self.mix, self.fault = Pool(pool), Mix(WIDTH, mix), fault

    def forward(self, x):
        weights = self.mix(self.pool(x)).sigmoid()
        if planted(self.fault):
            weights = weights.detach()
        return x * weights[:, :, None, None]


class Frame(nn.Module):
    """Sets a border to zero."""

    def forward(self, x):
        size = 3 if planted("mask") else 2
        inside = torch.zeros(x.shape[-2:], dtype=x.dtype)
        inside[size:-size, size:-size] = 1
        return x * inside


class Block(nn.Module):
    def __init__(self, norm="", scale="", **faults):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(WIDTH, WIDTH, 3, padding=1), Norm(WIDTH, norm)
        self.act, self.gate, self.scale = nn.ReLU(inplace=True), Gate(**faults), scale

    def forward(self, x):
        x = x + self.gate(self.act(self.norm(self.conv(x))))
        return x if planted(self.scale) else x * 0.5**0.5


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.frame = Frame()
        self.body = nn.Sequential(
            Block(norm="epsilon", pool="accumulation", fault="detached"),
            Block(scale="scale", mix="transposed"),
        )
        self.pool = nn.AvgPool2d(4)
        self.out = nn.Linear(WIDTH * 16, 10)

    def forward(self, x):
        return self.out(self.pool(self.body(self.frame(self.first(x)))).flatten(1))


def make_model():
    return ConvNet()


def make_batches():
    return [(torch.randn(8, 3, 16, 16), torch.randint(0, 10, (8,))) for _ in range(2)]


def make_optimizer(model):
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
