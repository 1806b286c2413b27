"""Programs for the tests of operators, and what two runs of one left behind."""

from __future__ import annotations

from dataclasses import asdict

import torch

from detaudit.replay.wire.files import Note
from detaudit.replay.wire.operators import CallAnswer, KeptOperator, OnlyHere


class Answers:
    """What two runs left behind."""

    def __init__(self, kept, answers, problems):
        self.problems = [*problems, *(one.text for one in (*kept, *answers) if isinstance(one, Note))]
        self.kept = {one.number: one for one in kept if isinstance(one, KeptOperator)}
        self.answers = {one.number: one for one in answers if isinstance(one, CallAnswer)}
        self.alone = [one.identity.operator for one in answers if isinstance(one, OnlyHere)]
        self.missing = [
            one.identity.operator
            for number, one in self.kept.items()
            if number not in self.answers and not one.drawn
        ]
        self.unsaid = [*self.missing, *self.alone, *self.problems]
        """All that is not about an operator of both runs; none where everything was compared."""

    def operator(self, number):
        """The operator of a kept call."""
        return self.kept[number].identity.operator

    def with_key(self, key):
        """The operators of the answers that say something."""
        return {
            self.operator(number): getattr(one, key)
            for number, one in self.answers.items()
            if getattr(one, key)
        }

    @property
    def changed(self):
        """The operators that gave other bits, with how far apart they are."""
        return {
            self.operator(number): one.apart and asdict(one.apart)
            for number, one in self.answers.items()
            if one.changed
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
