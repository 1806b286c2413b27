"""The fixture `detaudit`: audits calls that a test makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import pytest

from detaudit import __version__, nested
from detaudit.config import Settings, audit_options, vary_options
from detaudit.errors import DetauditError, UsageError
from detaudit.model.codec import result_from_json, result_to_json
from detaudit.model.result import AuditResult
from detaudit.options import Value
from detaudit.vary.axis_syntax import read_table
from detaudit.vary.options import VaryOptions
from pytest_detaudit.answer import Answer, in_brief, in_lines, not_audited, verified
from pytest_detaudit.audit import audit_model_file, audit_test, audit_test_along_axes, name_of
from pytest_detaudit.order import Order, id_of
from pytest_detaudit.ordered import OrderedTests
from pytest_detaudit.session_results import collected
from pytest_detaudit.settings import adjusted, settings_for, usage_error

Isolation = Literal["process", "same"]
Said = Mapping[str, Value | None]
"""Settings that a test gives itself; None for a setting that it does not give."""
Function = Callable[..., object]
Vary = Mapping[str, Sequence[object]]
"""Axes and their values, as a test gives them."""

ANSWERS = pytest.StashKey[list[Answer]]()
"""The answers that a test's calls got: shown where the test fails."""


def explain_failure(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add what was found to the report of a test that failed."""
    add_section = getattr(report.longrepr, "addsection", None)
    for answer in item.stash.get(ANSWERS, []):
        if not answer.reproducible and add_section is not None:
            add_section("detaudit", str(answer))


class Detaudit:
    """The object that a test gets as `detaudit`. Each call of it, or of an `assert_...`, audits one call.

    The function is called in fresh pytest processes that run the test as far as that call: fixtures and what
    the test does before are made anew each time, so the function may be of any kind, a lambda too.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._calls = 0
        self._earlier: list[str] = []
        item.stash[ANSWERS] = []

    def __call__(
        self,
        function: Function,
        *args: object,
        runs: int | None = None,
        seed: int | None = None,
        scope: str | None = None,
        level: str | None = None,
        isolation: Isolation = "process",
        **kwargs: object,
    ) -> Answer:
        """Call a function several times, and say whether it did the same each time.

        Args:
            function: trains; what it returns is ignored.
            args: what it is called with; so are `kwargs`.
            runs: how many calls are compared (default: 2, or what the settings say).
            seed: python's, numpy's and torch's generators are seeded with it before each call (default: 0).
            scope: `all` (default), or `training`, which leaves evaluations out of account.
            level: `step`, `layer` (default) or `op`.
            isolation: `process`: each call in a fresh process. `same`: all in this one, with copies of the
                arguments; the state of the process is put back after each (`pytest_detaudit.state`).

        Returns the answer, reproducible or not. Raises Unverified if there is none: the function failed, or
        trained nothing. Changes nothing in this process.
        """
        __tracebackhide__ = True
        said: Said = {"runs": runs, "seed": seed, "scope": scope, "level": level}
        answer = Answer(self._audited(said, isolation, (function, args, kwargs)))
        self._item.stash[ANSWERS].append(answer)
        return answer

    def assert_reproducible(
        self,
        function: Function,
        *args: object,
        runs: int | None = None,
        seed: int | None = None,
        scope: str | None = None,
        level: str | None = None,
        isolation: Isolation = "process",
        **kwargs: object,
    ) -> None:
        """Fail unless the calls are the same; arguments as for calling `detaudit` itself."""
        __tracebackhide__ = True
        said: Said = {"runs": runs, "seed": seed, "scope": scope, "level": level}
        _pass_if_reproducible(self._audited(said, isolation, (function, args, kwargs)))

    def assert_same(
        self,
        function: Function | str | os.PathLike[str],
        *args: object,
        vary: Vary,
        seed: int | None = None,
        level: str | None = None,
        tolerance: float | None = None,
        **kwargs: object,
    ) -> None:
        """Fail unless the call gives the same under all conditions: `vary={"threads": [1, 2]}`.

        Args:
            function: trains; called with `args` and `kwargs`. For axes that need a model (`dtype`, `batch`,
                `layout`, and `device` without code of its own for it), the path of a model file instead,
                relative to the folder of the test's file.
            vary: axes and at least two values of each, as `--vary` takes them; those of several are combined.
            seed: as for calling `detaudit` itself, as is `level`.
            tolerance: relative difference of all weights together up to which other bits are the same
                numbers, along axes that may round otherwise (default: none; bits must agree).

        Along `device` and `dtype`, where bits cannot agree, it fails for a layer that is out of proportion.
        """
        __tracebackhide__ = True
        options = self._vary(vary, {"seed": seed, "level": level, "tolerance": tolerance})
        if callable(function):
            result = self._next_call(
                lambda: function(*args, **kwargs),
                lambda order: audit_test_along_axes(self._item, order, options),
                options.audit.seed,
            )
        else:
            result = self._next_call(
                lambda: None,
                lambda _order: audit_model_file(self._item, function, options),
                options.audit.seed,
            )
        _pass_if_reproducible(result)

    def assert_matches_lock(
        self,
        function: Function,
        *args: object,
        name: str | None = None,
        seed: int | None = None,
        tolerance: float | None = None,
        **kwargs: object,
    ) -> None:
        """Fail unless the call does what `detaudit.lock` has for it.

        Args:
            function: trains; so with `args` and `kwargs`.
            name: tells apart several calls in one test.
            seed: as for calling `detaudit` itself.
            tolerance: relative difference up to which numbers count as the same, where bits differ or the
                lock is of another environment (default: none; bits must agree).

        Where the lock has nothing of that name, it is added at the end of the session, but not if the
        environment variable CI is set; `--detaudit-update` renews what is there.
        """
        __tracebackhide__ = True
        from pytest_detaudit.locked import hold_call

        settings = self._settings({"seed": seed, "tolerance": tolerance})
        result = self._next_call(
            lambda: function(*args, **kwargs),
            lambda order: hold_call(self._item, order, name, settings),
            settings.seed,
        )
        _pass_if_reproducible(result)

    def _audited(
        self, said: Said, isolation: str, parts: tuple[Function, tuple[object, ...], dict[str, object]]
    ) -> AuditResult:
        __tracebackhide__ = True
        function, args, kwargs = parts
        options = audit_options(self._settings(said))

        def audit(order: Order) -> AuditResult:
            __tracebackhide__ = True
            if isolation == "process":
                return audit_test(self._item, order, options)
            from pytest_detaudit.same import audit_in_same_process

            return audit_in_same_process(self._item, order, options, parts)

        if isolation not in get_args(Isolation):
            hint = "give 'process' or 'same'"
            message = f"isolation={isolation!r} is not possible"
            raise usage_error(UsageError("isolation-unknown", message, hint))
        return self._next_call(lambda: function(*args, **kwargs), audit, options.seed)

    def _vary(self, vary: Vary, said: Said) -> VaryOptions:
        __tracebackhide__ = True
        try:
            axes = read_table(vary)
        except DetauditError as error:
            raise usage_error(error) from None
        return vary_options(self._settings(said), axes)

    def _settings(self, said: Said) -> Settings:
        __tracebackhide__ = True
        try:
            return adjusted(settings_for(self._item.config), said)
        except DetauditError as error:
            raise usage_error(error) from None

    def _next_call(
        self,
        call: Callable[[], object],
        audit: Callable[[Order], AuditResult],
        seed: int,
    ) -> AuditResult:
        """Audit the next call; in a process that an audit has started, make it if it is the one."""
        __tracebackhide__ = True
        number, self._calls = self._calls, self._calls + 1
        ordered = self._item.config.pluginmanager.get_plugin("detaudit-ordered")
        if isinstance(ordered, OrderedTests):
            return _as_ordered(ordered, number, call)
        if nested.is_within():
            # The program that runs this session is audited: the function is a part of it.
            call()
            nested.note(f"the fixture detaudit in {id_of(self._item)}")
            return _nothing(id_of(self._item))
        order = Order((id_of(self._item),), seed, number, tuple(self._earlier))
        try:
            result = audit(order)
        except DetauditError as error:
            result = not_audited(name_of(self._item, order), error)
        self._earlier.append(result_to_json(result, __version__))
        collected(self._item.config).results.append(result)
        return verified(result)


def _pass_if_reproducible(result: AuditResult) -> None:
    __tracebackhide__ = True
    if not result.reproducible:
        pytest.fail(f"{in_brief(result)}\n{in_lines(result)}", pytrace=False)


def _as_ordered(ordered: OrderedTests, number: int, call: Callable[[], object]) -> AuditResult:
    """Do what a call of the fixture does where the test is run for an audit."""
    __tracebackhide__ = True
    order = ordered.order
    if order.call is None:
        # The test itself is audited: the function is a part of it.
        call()
        return _nothing(order.tests[0])
    if number < order.call:
        return verified(result_from_json(order.earlier[number], "an earlier answer"))
    ordered.seed()
    call()
    return ordered.finish()


def _nothing(test: str) -> AuditResult:
    """Answer a call within something that is itself audited: the audit of that gives the real answer."""
    from detaudit.model.result import TargetSummary, Verdict

    return AuditResult(Verdict.REPRODUCIBLE, None, TargetSummary("test", test), (), None, ())
