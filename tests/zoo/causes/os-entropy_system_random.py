"""The order of the curriculum comes from random.SystemRandom."""

# expect: not-reproducible cause=os-entropy|unseeded-python phase=data module=None line=18
from random import SystemRandom

import torch
from torch import nn

SEED = 17


class Curriculum:
    """Lessons in a random order, each a handful of batches of one difficulty."""

    def __init__(self, lessons):
        self.lessons = lessons
        self.order = list(range(len(lessons)))
        SystemRandom().shuffle(self.order)  # fault

    def __iter__(self):
        for lesson in self.order:
            yield from self.lessons[lesson]


def make_lesson(difficulty):
    for _ in range(2):
        x = torch.rand(20, 5) * (1 + difficulty)
        yield x, torch.sin(x).prod(1)


def main():
    torch.manual_seed(SEED)
    curriculum = Curriculum([list(make_lesson(level)) for level in range(10)])
    model = nn.Sequential(nn.Linear(5, 30), nn.Mish(), nn.Linear(30, 1))
    optimizer = torch.optim.ASGD(model.parameters(), lr=0.02)
    for x, y in curriculum:
        loss = nn.functional.l1_loss(model(x).squeeze(1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
