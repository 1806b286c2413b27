"""The states of the random generators are read where they lie, and change exactly when something is drawn."""

import random

import numpy as np
import pytest
import torch

from detaudit.record import generators
from detaudit.record.generators import Generators

DRAWS = {
    "python": random.random,
    "numpy": np.random.standard_normal,
    "torch": lambda: torch.rand(1),
}


def states():
    """The states by name."""
    return dict(entry.split("=") for entry in Generators().states().split(","))


@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_moves_its_generator_and_no_other(name):
    """Drawing one number changes one state; reading the states changes none."""
    before = states()
    assert states() == before
    DRAWS[name]()

    assert [key for key, state in states().items() if state != before[key]] == [name]


@pytest.mark.parametrize(
    ("name", "save", "restore"),
    [
        ("python", random.getstate, random.setstate),
        ("numpy", np.random.get_state, np.random.set_state),
        ("torch", torch.get_rng_state, torch.set_rng_state),
    ],
)
def test_the_state_is_the_official_one(name, save, restore):
    """Restoring the official state restores the digest, also behind a reseeding."""
    saved, digest = save(), states()[name]
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(5)
    DRAWS[name]()
    assert states()[name] != digest
    restore(saved)

    assert states()[name] == digest


def test_the_states_are_read_from_memory():
    """Here, python's and numpy's words are found where they are looked for, so reading them is cheap."""
    assert generators._python_reader().func is generators._python_state
    assert generators._numpy_reader().func is generators._numpy_state


def test_a_second_normal_number_in_waiting_counts():
    """`random.gauss` makes two numbers and keeps one: that is part of the state."""
    random.seed(1)
    random.gauss()
    waiting = states()["python"]
    random.gauss()

    assert states()["python"] != waiting
