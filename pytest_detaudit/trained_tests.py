"""Run every test that trains again in fresh processes (`pytest --detaudit`), and compare the runs."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from detaudit.config import audit_options
from detaudit.errors import DetauditError
from detaudit.model.plan import Target, TargetKind
from detaudit.model.result import AuditResult, Verdict
from detaudit.run.progress import Progress, Silence
from detaudit.run.workspace import workspace
from pytest_detaudit.answer import Finished, not_audited, not_watched
from pytest_detaudit.marked import is_marked
from pytest_detaudit.order import Order, command_for, id_of
from pytest_detaudit.session_results import collected
from pytest_detaudit.settings import adjusted, settings_for, usage_error
from pytest_detaudit.training import TrainingWatch

TRAINED = "detaudit_trained"
"""The key under which a worker of xdist tells the controlling process which of its tests train."""

MISSED = "detaudit_missed"
"""The key under which a worker says that it cannot know which tests train."""

SUFFIX = " [detaudit]"
"""Follows the name of a test whose audit failed, in reports."""


class Suite:
    """Finds out which tests train while they run, and audits those at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._watch = TrainingWatch()
        self._trained: dict[str, int] = {}
        """Node ids and their places among all tests."""
        self._missed = False
        """Whether a worker of xdist could not see which tests train."""
        try:
            self._options = audit_options(adjusted(settings_for(config), {}))
        except DetauditError as error:
            raise usage_error(error) from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Begin to look: a fixture that trains counts for the test that it is first made for."""
        self._watch.seen = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note a test that trains and passes. Those that audit themselves are left to that."""
        result = yield
        audits_itself = is_marked(item) or "detaudit" in _fixtures(item)
        if self._watch.seen and not audits_itself:
            self._trained[id_of(item)] = item.session.items.index(item)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Audit when all tests are done."""
        outcome = yield
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[TRAINED] = self._trained
            output[MISSED] = self._watch.missed
        elif not session.config.option.collectonly:
            if self._watch.missed or self._missed:
                self._tell("pytest --detaudit", not_watched())
            if self._trained:
                self._audit()
        return outcome

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - a worker of xdist's
        """Take over what a worker found."""
        output = getattr(node, "workeroutput", {})
        self._trained |= output.get(TRAINED, {})
        self._missed |= output.get(MISSED, False)

    def _audit(self) -> None:
        tests = sorted(self._trained, key=self._trained.__getitem__)
        progress = _Told(self._config, len(tests))
        for test, result in zip(tests, self._results(tests, progress), strict=True):
            self._tell(test, result)

    def _tell(self, test: str, result: AuditResult) -> None:
        collected(self._config).results.append(result)
        if not result.reproducible:
            self._config.hook.pytest_runtest_logreport(report=_report(test, result))

    def _results(self, tests: Sequence[str], progress: Progress) -> Iterator[AuditResult]:
        from detaudit.diagnose.several_tests import audit_tests

        with workspace(None) as folder:
            plan = self._options.plan(self._target(tests, folder / "order.json"), self._options.runs)
            yield from audit_tests(plan, tests, self._alone, progress, self._options.scope)

    def _alone(self, test: str) -> AuditResult:
        from detaudit.diagnose.audit import audit_target

        with workspace(None) as folder:
            try:
                return audit_target(self._target([test], folder / "order.json"), self._options, Silence())
            except DetauditError as error:
                return not_audited(test, error)

    def _target(self, tests: Sequence[str], order: Path) -> Target:
        Order(tuple(tests)).save(order)
        files = dict.fromkeys(self._config.rootpath / test.partition("::")[0] for test in tests)
        name = tests[0] if len(tests) == 1 else f"{len(tests)} tests"
        command = command_for(self._config, list(files), order)
        return Target(TargetKind.TEST, name, path=next(iter(files)), command=command)


class _Told(Silence):
    """Says in the terminal what the end of a session waits for."""

    def __init__(self, config: pytest.Config, count: int) -> None:
        self._terminal = config.pluginmanager.get_plugin("terminalreporter")
        self._count = count

    def run_started(self, run: str, total: int, level: str) -> None:
        """Say which run begins."""
        if self._terminal is not None:
            self._terminal.ensure_newline()
            tests = "1 test that trains" if self._count == 1 else f"{self._count} tests that train"
            self._terminal.write_line(f"detaudit: run {run} of {total} of {tests}, level {level}")


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


def _report(test: str, result: AuditResult) -> pytest.TestReport:
    """Report an audit that failed as a test of its own, next to the test that was audited."""
    unverified = result.verdict is Verdict.UNVERIFIED
    file = test.partition("::")[0]
    return pytest.TestReport(
        nodeid=test + SUFFIX,
        location=(file, None, test.partition("::")[2] + SUFFIX),
        keywords={},
        outcome="failed",
        longrepr=Finished(result),
        # What has no answer is an error, not a failure.
        when="setup" if unverified else "call",
    )
