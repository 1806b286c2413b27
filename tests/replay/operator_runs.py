"""Programs for the tests of operators, and what two runs of one left behind."""

from __future__ import annotations

import torch


class Answers:
    """What two runs left behind."""

    def __init__(self, kept, answers, problems):
        self.problems = [*problems, *(line["note"] for line in (*kept, *answers) if "note" in line)]
        self.kept = {line["number"]: line for line in kept if "number" in line}
        self.answers = {line["number"]: line for line in answers if "number" in line}
        self.alone = [line["operator"] for line in answers if "alone" in line]
        self.missing = [
            line["operator"]
            for number, line in self.kept.items()
            if number not in self.answers and not line.get("drawn")
        ]
        self.unsaid = [*self.missing, *self.alone, *self.problems]
        """All that is not about an operator of both runs; none where everything was compared."""

    def with_key(self, key):
        """The operators of the answers that say something."""
        return {
            self.kept[number]["operator"]: line[key] for number, line in self.answers.items() if line.get(key)
        }

    @property
    def changed(self):
        """The operators that gave other bits, with how far apart they are."""
        return {
            self.kept[number]["operator"]: line.get("apart")
            for number, line in self.answers.items()
            if line.get("changed")
        }


def with_threads(number, function):
    """The function, under a number of threads."""

    def called():
        torch.set_num_threads(number)
        function()

    return called


def numbers(*shape):
    """Numbers that no setting changes: integers, divided."""
    generator = torch.Generator().manual_seed(sum(shape))
    whole = torch.randint(-(1 << 20), 1 << 20, shape, generator=generator)
    return (whole.float() / (1 << 19)).requires_grad_()
