"""Work that nobody is to see is seen by nobody: neither autograd, nor modes, nor tensors with functions."""

from __future__ import annotations

import contextlib
from typing import ClassVar

import torch
from torch.overrides import TorchFunctionMode

from detaudit.torch_private.modes import DispatchMode, Unseen, innermost_mode


class Seen(DispatchMode):
    """Notes the operators that it sees."""

    def __init__(self):
        super().__init__()
        self.operators = []

    def __torch_dispatch__(self, func, _types, args=(), kwargs=None):
        self.operators.append(str(func))
        return func(*args, **(kwargs or {}))


class SeenFunctions(TorchFunctionMode):
    """Notes the functions that it sees."""

    def __init__(self):
        super().__init__()
        self.functions = []

    def __torch_function__(self, func, _types, args=(), kwargs=None):
        self.functions.append(func)
        return func(*args, **(kwargs or {}))


class Talkative(torch.Tensor):
    """A tensor with functions of its own."""

    asked: ClassVar = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.asked.append(func)
        return super().__torch_function__(func, types, args, kwargs)


def multiplied(weight, talkative):
    """Who has seen a product: autograd, a dispatch mode, a function mode, a tensor."""
    Talkative.asked.clear()
    with SeenFunctions() as functions, Seen() as operators:
        product, _ = torch.mul(weight, 2), torch.mul(talkative, 2)
    seen = (operators.operators, functions.functions, Talkative.asked)
    return product.grad_fn is not None, *map(bool, seen)


def test_what_is_done_unseen_is_seen_by_nobody_and_what_comes_after_it_is():
    weight, talkative = torch.ones(2, requires_grad=True), torch.ones(2).as_subclass(Talkative)
    assert multiplied(weight, talkative) == (True, True, True, True)
    with SeenFunctions() as functions, Seen() as operators:
        functions.functions.clear()
        Talkative.asked.clear()
        with Unseen(), Unseen():
            product, _ = torch.mul(weight, 2), torch.mul(talkative, 2)
        assert (operators.operators, functions.functions, Talkative.asked) == ([], [], [])
        assert product.grad_fn is None
        with contextlib.suppress(ValueError), Unseen():
            raise ValueError
    assert multiplied(weight, talkative) == (True, True, True, True)


def test_the_mode_that_sees_first_is_the_innermost():
    assert innermost_mode() is None
    with Seen(), Seen() as inner:
        assert innermost_mode() is inner
