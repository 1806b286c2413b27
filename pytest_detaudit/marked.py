"""Run a test with the mark `@pytest.mark.reproducible` again, as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import pytest

from detaudit.config import audit_options, vary_options
from detaudit.errors import DetauditError, UsageError
from detaudit.model.result import AuditResult, Verdict
from detaudit.vary.axis_syntax import read_table
from pytest_detaudit.answer import Answer, Unverified, in_brief, in_lines, verified
from pytest_detaudit.audit import audit_test, audit_test_along_axes
from pytest_detaudit.order import Order, id_of
from pytest_detaudit.session_results import collected
from pytest_detaudit.settings import adjusted, settings_for

if TYPE_CHECKING:
    from detaudit.diagnose.options import AuditOptions
    from detaudit.vary.options import VaryOptions

MARK = "reproducible"
KEYS = ("runs", "seed", "scope", "level", "vary", "tolerance", "expect")


@dataclass(frozen=True, slots=True)
class Mark:
    """The arguments of the marks of a test."""

    audit: AuditOptions
    vary: VaryOptions | None
    """The axes, if the test has any, and the options for runs along them."""
    expect: str
    """A verdict, or the label of a cause."""


def is_marked(item: pytest.Item) -> bool:
    """Say whether a test has the mark, itself or by its class or module."""
    return item.get_closest_marker(MARK) is not None


def mark_of(item: pytest.Item) -> Mark:
    """Read the marks of a test, the nearest one first. Fails the test for what they cannot say."""
    __tracebackhide__ = True
    try:
        given = _arguments(item)
        expect = _expected(given.pop("expect", Verdict.REPRODUCIBLE.value))
        vary = given.pop("vary", None)
        axes = None if vary is None else read_table(vary)
        settings = adjusted(settings_for(item.config), given)
    except UsageError as error:
        raise _failure(item, error) from None
    if expect == Verdict.NOT_REPRODUCIBLE.value:
        # That runs differ is all that is asked; why they do would take many more.
        level = "layer" if settings.level == "auto" else settings.level
        settings = replace(settings, diagnose=False, level=level)
    along = None if axes is None else vary_options(settings, axes)
    return Mark(audit_options(settings), along, expect)


def audit_marked(item: pytest.Item) -> None:
    """Audit a test that has passed; fail it unless the answer is the expected one."""
    __tracebackhide__ = True
    mark = mark_of(item)
    try:
        order = Order((id_of(item),), seed=mark.audit.seed)
        if mark.vary is None:
            result = audit_test(item, order, mark.audit)
        else:
            result = audit_test_along_axes(item, order, mark.vary)
        collected(item.config).results.append(result)
        verified(result)
    except (DetauditError, Unverified) as error:
        raise _failure(item, error) from None
    _judge(result, mark.expect)


def _failure(item: pytest.Item, error: Exception) -> BaseException:
    """Make a failure with the line of the test: there is no traceback that would show the line."""
    file, line, _ = item.location
    place = file if line is None else f"{file}:{line + 1}"
    text = str(error)
    if isinstance(error, DetauditError):
        text = f"{error.message} [{error.slug}]; {error.hint}"
    return pytest.fail.Exception(f"{text}\n{place}", pytrace=False)


def _judge(result: AuditResult, expected: str) -> None:
    __tracebackhide__ = True
    answer = Answer(result)
    if expected in {answer.verdict, *answer.causes}:
        return
    told = in_brief(result)
    if expected != Verdict.REPRODUCIBLE.value:
        told = f"expected {expected}, but it is {told}"
    pytest.fail(f"{told}\n{in_lines(result)}", pytrace=False)


def _arguments(item: pytest.Item) -> dict[str, Any]:
    """Collect the arguments of the marks of a test; the nearest mark comes first."""
    given: dict[str, Any] = {}
    for mark in item.iter_markers(MARK):
        if mark.args:
            hint = f"name them: {', '.join(KEYS)}"
            raise UsageError("marker-arguments", f"the marker {MARK} takes no arguments without names", hint)
        for name, value in mark.kwargs.items():
            if name not in KEYS:
                nearest = get_close_matches(name, KEYS, n=1)
                hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(KEYS)}"
                raise UsageError("marker-unknown", f"the marker {MARK} has no argument {name!r}", hint)
            given.setdefault(name, value)
    return given


def _expected(value: object) -> str:
    """Check the expected verdict, or the expected label of a cause."""
    from detaudit.pages.page import causes

    known = (Verdict.REPRODUCIBLE.value, Verdict.NOT_REPRODUCIBLE.value, *causes())
    if value in known:
        return str(value)
    nearest = get_close_matches(str(value), known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
    raise UsageError("marker-invalid", f"expect={value!r} is neither a verdict nor a cause", hint)
