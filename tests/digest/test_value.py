"""Digests of what programs pass around besides tensors."""

import collections
import dataclasses

import numpy as np
import pytest
import torch

from detaudit.digest.value import call_value, split_digest, value_digest


@dataclasses.dataclass
class Sample:
    x: torch.Tensor
    number: int


class Opaque:
    def __init__(self, tensor, moment):
        self.tensor, self.moment = tensor, moment


ONE = torch.ones(2)


@pytest.mark.parametrize(
    ("value", "other"),
    [
        ([ONE, 2 * ONE], [2 * ONE, ONE]),
        ({"a": ONE}, {"b": ONE}),
        ({"a": 1}, {"a": 1.0}),
        ([[1], [2]], [[1, 2]]),
        (np.arange(4), np.arange(4, dtype=np.int32)),
        (np.arange(4), np.arange(4).reshape(2, 2)),
        (np.array(["a", "b"], dtype=object), np.array(["b", "a"], dtype=object)),
        (Sample(ONE, 1), Sample(ONE, 2)),
        (Opaque(ONE, 0), Opaque(2 * ONE, 0)),
        (0.0, -0.0),
        (True, 1),
        ({1, 2}, {1, 3}),
    ],
)
def test_different_values_differ(value, other):
    """Order, keys, nesting, dtypes and numbers all count."""
    assert value_digest(value) != value_digest(other)


@pytest.mark.parametrize(
    ("value", "other"),
    [
        ({"a": 1, "b": ONE}, {"b": ONE.clone(), "a": 1}),
        ({3, 1, 2}, {2, 3, 1}),
        (np.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T.copy()),
        (Opaque(ONE, 1.0), Opaque(ONE.clone(), 2.0)),
        (collections.OrderedDict(a=1), collections.OrderedDict(a=1)),
    ],
)
def test_equal_values_are_equal(value, other):
    """Order of keys, memory layout, and plain numbers in foreign objects (a time) do not count."""
    assert value_digest(value) == value_digest(other)


def test_text_is_kept_apart_from_numbers():
    """A batch's strings do not enter the digest of its numbers, and the other way round."""
    numbers, text = split_digest((ONE, ["a.png", "b.png"]))

    assert split_digest((ONE, ["c.png", "d.png"]))[0] == numbers
    assert split_digest((ONE, ["c.png", "d.png"]))[1] != text
    assert split_digest((2 * ONE, ["a.png", "b.png"]))[1] == text
    assert split_digest(ONE)[1] is None


def test_a_cycle_ends():
    """A list that holds itself is digested, not followed for ever."""
    value = [ONE]
    value.append(value)

    assert value_digest(value) == value_digest(value)


def test_keyword_arguments_count():
    """The same tensor by position and by keyword are different calls."""
    assert value_digest(call_value((ONE,), {})) != value_digest(call_value((), {"x": ONE}))
