"""Calls of the fixture with `isolation="same"`: all in the process of the test."""

from __future__ import annotations

import copy
import inspect
import linecache
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from detaudit.diagnose.same_process import audit_same_process
from detaudit.errors import TargetError
from detaudit.model.plan import Target, TargetKind
from detaudit.model.trace import Site
from detaudit.seeding import seed_everything
from pytest_detaudit.audit import audit_test, name_of
from pytest_detaudit.order import Order
from pytest_detaudit.state import put_back

if TYPE_CHECKING:
    import pytest

    from detaudit.diagnose.options import AuditOptions
    from detaudit.model.result import AuditResult

Parts = tuple[Callable[..., object], tuple[object, ...], dict[str, object]]
"""A function and its arguments."""


def audit_in_same_process(
    item: pytest.Item, order: Order, options: AuditOptions, parts: Parts
) -> AuditResult:
    """Call a function several times here, each time with copies of its arguments and the same seed.

    The state of the process (`state.ProcessState`) is the same before each call, and put back at the end.
    Raises TargetError if an argument cannot be copied, and whatever the function raises.
    """
    plan = options.plan(Target(TargetKind.TEST, name_of(item, order)), options.runs)
    with put_back() as state:

        def call() -> None:
            state.restore()
            function, args, kwargs = _copied(parts)
            seed_everything(options.seed)
            function(*args, **kwargs)

        fresh = partial(audit_test, item, order, options)
        return audit_same_process(plan, call, fresh, _definition(parts[0]), options.scope)


def _definition(function: Callable[..., object]) -> Site | None:
    """Find the line at which a function begins; None for a function that is not written in Python."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return None
    line = linecache.getline(code.co_filename, code.co_firstlineno).strip()
    return Site(code.co_filename, code.co_firstlineno, code.co_name, line)


def _copied(parts: Parts) -> Parts:
    function, args, kwargs = parts
    try:
        return function, *copy.deepcopy((args, kwargs))
    except Exception as error:
        hint = "make them inside the function, or leave out isolation='same'"
        message = f"the arguments cannot be copied for each call: {error}"
        raise TargetError("arguments-not-copyable", message, hint) from error
