"""A small recurrent network whose layers can be made wrong; `MAKERS` says where each fault is."""

import math

import torch
from faults import planted
from torch import nn
from torch.nn import functional

WIDTH, LENGTH, WORDS = 24, 6, 40
MAKERS = {
    "epsilon": "norm",
    "transposed": "cell.again",
    "scale": "words",
    "accumulation": "mean",
    "mask": "mean",
    "detached": "cell",
}


class Words(nn.Embedding):
    def forward(self, tokens):
        values = super().forward(tokens)
        return values if planted("scale") else values * math.sqrt(WIDTH)


class Norm(nn.LayerNorm):
    def forward(self, x):
        eps = 1e-6 if planted("epsilon") else 1e-5
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, eps)


class Again(nn.Linear):
    """The recurrent weights of one gate."""

    def forward(self, x):
        return functional.linear(x, self.weight.T if planted("transposed") else self.weight, self.bias)


class Cell(nn.Module):
    """A minimal gated recurrence over the states of an LSTM."""

    def __init__(self):
        super().__init__()
        self.given, self.gate = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.again = Again(WIDTH, WIDTH)

    def forward(self, x):
        state, states = torch.zeros_like(x[:, 0]), []
        for now in x.unbind(1):
            if planted("detached"):
                state = state.detach()
            new = torch.tanh(self.given(now) + self.again(state))
            keep = torch.sigmoid(self.gate(now))
            state = keep * state + (1 - keep) * new
            states.append(state)
        return torch.stack(states, 1)


class Mean(nn.Module):
    """The mean over the words that are there."""

    def forward(self, x, lengths):
        reach = lengths + 1 if planted("mask") else lengths
        there = (torch.arange(x.shape[1]) < reach[:, None]).unsqueeze(-1)
        kept = x * there
        total = kept.bfloat16().sum(1).float() if planted("accumulation") else kept.sum(1)
        return total / lengths[:, None]


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = Words(WORDS, WIDTH)
        self.lstm = nn.LSTM(WIDTH, WIDTH, num_layers=2, dropout=0.1, batch_first=True)
        self.norm, self.cell, self.mean = Norm(WIDTH), Cell(), Mean()
        self.out = nn.Linear(WIDTH, 5)

    def forward(self, tokens, lengths):
        states, _ = self.lstm(self.words(tokens))
        return self.out(self.mean(self.cell(self.norm(states)), lengths))


def make_model():
    return Recurrent()


def make_batches():
    return [
        (torch.randint(0, WORDS, (8, LENGTH)), torch.randint(3, LENGTH, (8,)), torch.randint(0, 5, (8,)))
        for _ in range(2)
    ]


def loss_fn(model, batch):
    tokens, lengths, labels = batch
    return functional.cross_entropy(model(tokens, lengths), labels)


def make_optimizer(model):
    return torch.optim.AdamW(model.parameters(), lr=1e-3)
