"""Generators that a data set holds are found where they are, and read without drawing."""

from __future__ import annotations

import random
import sys
from collections import OrderedDict
from types import ModuleType

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Dataset, Subset

from detaudit.record.held import _MOST, HeldGenerators, WorkerGenerators

MODULE_LEVEL = np.random.default_rng(5)


class Plain(Dataset):
    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def __len__(self):
        return 1


class WithClassAttribute(Plain):
    shared = np.random.RandomState(2)


class Guarded(Plain):
    """Its attribute access is code of its own, which must not run."""

    def __getattribute__(self, name):
        raise AssertionError(name)


def states(dataset):
    """The states by name, without those of this module."""
    given = dict(entry.split("=") for entry in HeldGenerators(dataset).states())
    given.pop(f"{__name__}.MODULE_LEVEL", None)
    return given


KINDS = {
    "numpy Generator": (np.random.default_rng, lambda one: one.random()),
    "numpy MT19937": (lambda: np.random.Generator(np.random.MT19937(1)), lambda one: one.random()),
    "numpy RandomState": (np.random.RandomState, lambda one: one.rand()),
    "numpy bits": (np.random.PCG64, lambda one: one.random_raw()),
    "python": (random.Random, lambda one: one.random()),
    "torch": (torch.Generator, lambda one: torch.rand(1, generator=one)),
}


@pytest.mark.parametrize(("make", "draw"), KINDS.values(), ids=KINDS.keys())
def test_each_kind_is_read_without_drawing_and_moves_when_drawn_from(make, draw):
    dataset = Plain(rng=make())
    before = states(dataset)
    again = states(dataset)
    draw(dataset.rng)

    assert list(before) == ["dataset.rng"]
    assert before == again != states(dataset)


@pytest.mark.parametrize(
    ("dataset", "names"),
    [
        (Plain(inner=Plain(rng=random.Random(1))), ["dataset.inner.rng"]),
        (Plain(many=[1, (random.Random(1),)]), ["dataset.many[1][0]"]),
        (Plain(many=OrderedDict(a=0, b=random.Random(1))), ["dataset.many[b]"]),
        (Plain(many={3: random.Random(1)}), ["dataset.many[0]"]),
        (Plain(**{"a,b=c": random.Random(1)}), ["dataset.a_b_c"]),
        (Subset(ConcatDataset([Plain(rng=random.Random(1))]), [0]), ["dataset.dataset.datasets[0].rng"]),
        (Plain(module=torch.nn.ReLU()), []),
        (Plain(system=random.SystemRandom(), text="x", many=list(range(10**6))), []),
        (Plain(a=random._inst, b=np.random.mtrand._rand, c=torch.default_generator), []),
    ],
    ids=range(9),
)
def test_names_say_where_generators_are(dataset, names):
    assert list(states(dataset)) == names


def test_one_generator_has_one_name():
    rng = np.random.default_rng(1)
    assert list(states(Plain(first=rng, second=rng))) == ["dataset.first"]


def test_generators_of_the_class_are_found():
    assert list(states(WithClassAttribute())) == ["dataset.shared"]


def test_generators_of_the_module_and_of_what_it_imports_are_found(monkeypatch):
    other = ModuleType("augment_of_this_test")
    other.__file__ = "augment_of_this_test.py"
    other.RNG = random.Random(1)
    monkeypatch.setitem(sys.modules, other.__name__, other)
    monkeypatch.setattr(sys.modules[__name__], "augment", other, raising=False)
    names = [entry.partition("=")[0] for entry in HeldGenerators(Plain()).states()]

    assert names == [f"{__name__}.MODULE_LEVEL", "augment_of_this_test.RNG"]


def test_no_code_of_the_data_set_runs():
    dataset = Guarded.__new__(Guarded)
    object.__setattr__(dataset, "rng", random.Random(1))
    assert list(states(dataset)) == ["dataset.rng"]


def test_a_loop_of_references_ends():
    dataset = Plain()
    dataset.itself = [dataset]
    assert states(dataset) == {}


def test_as_many_are_read_as_are_worth_it():
    assert len(states(Plain(many=[random.Random(number) for number in range(25)]))) == _MOST


def test_a_generator_whose_state_is_not_to_be_had_is_left_out():
    class Odd(np.random.RandomState):
        def get_state(self, *, legacy=True):
            raise NotImplementedError

    assert states(Plain(rng=Odd())) == {}


def test_a_worker_shows_the_default_generators_too():
    text = WorkerGenerators(Plain(rng=random.Random(1))).states()
    names = [entry.partition("=")[0] for entry in text.split(",")]
    assert names[:4] == ["python", "numpy", "torch", "dataset.rng"]
