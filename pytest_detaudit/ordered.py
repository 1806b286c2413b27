"""Run the ordered tests, and nothing else, in a fresh process that an audit has started."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from detaudit.sources.imports import ImportWatch
from pytest_detaudit.order import Order, load_order

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

EXIT_FAILED = 1
EXIT_MISSING = 3
SESSION = "DETAUDIT_SESSION"
SEEDED: dict[str, Callable[[Any], Callable[[int | None], object]]] = {
    "numpy": lambda numpy: numpy.random.seed,
    "torch": lambda torch: torch.manual_seed,
}
"""Libraries that draw numbers of their own, and the way to seed them: otherwise they seed themselves on
import."""


class OrderedTests:
    """Takes part in the session in place of what the user asked for in the one that ordered it."""

    def __init__(self, config: pytest.Config, order: str) -> None:
        self.order: Order = load_order(order)
        self.finished = False
        """Whether the recorded part is over: a call of the fixture, or the steps that are asked for."""
        self._failures: list[str] = []
        self._imports = ImportWatch()
        self._awaited: set[str] = set()
        self._temporary = tempfile.mkdtemp(prefix="detaudit-tests-")
        config.option.basetemp = str(Path(self._temporary, "pytest"))
        # What the workers of the ordering session were told is not true here.
        for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
            os.environ.pop(name, None)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Keep the ordered tests, whatever other plugins choose."""
        found = {item.nodeid: item for item in items}
        yield
        missing = [test for test in self.order.tests if test not in found]
        if missing:
            self._leave(
                EXIT_MISSING,
                f"detaudit: {missing[0]} was not found again in a fresh process: its name must be the same "
                "in each session",
            )
        items[:] = [found[test] for test in self.order.tests]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """End with what went wrong where a file could not be imported."""
        if report.failed:
            self._leave(EXIT_FAILED, f"{report.nodeid} could not be collected:\n{report.longreprtext}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests; then end the process, so that no plugin writes a report about this."""
        items = session.items
        # A test that is expected to fail, for its audit, must pass here, and may: strictness is not for this.
        session.config.option.runxfail = True
        for number, item in enumerate(items):
            following = items[number + 1] if number + 1 < len(items) else None
            with self._recording(number):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        self._leave(EXIT_FAILED if self._failures else 0, "\n".join(self._failures))

    def _recording(self, number: int) -> AbstractContextManager[object]:
        """Record this test apart, where several are run and recording waits to be asked."""
        path = os.environ.get(SESSION)
        if path is None:
            return nullcontext()
        from detaudit.record.session import load_session

        session = load_session(path, is_main=True)
        if not session.on_request:
            return nullcontext()
        from detaudit.record.install import recording
        from detaudit.run.heap import scatter
        from detaudit.run.listeners import listeners_of

        folder = Path(session.folder) / f"test{number}"
        folder.mkdir()
        stack = ExitStack()
        failures = len(self._failures)
        stack.callback(lambda: self._note_failures(folder, self._failures[failures:]))
        own = replace(session, folder=str(folder))
        stack.enter_context(recording(own, listeners_of(own)))
        scatter()
        return stack

    @staticmethod
    def _note_failures(folder: Path, failures: list[str]) -> None:
        from detaudit.run.by_test import FAILURE

        if failures:
            (folder / FAILURE).write_text("\n".join(failures), encoding="utf-8")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Seed before the fixtures are made."""
        self.finished = False
        self.seed()
        return (yield)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        """Seed before the test itself."""
        self.seed()
        return (yield)

    def seed(self) -> None:
        """Seed python, numpy and torch; those that are not there yet, once they are imported."""
        if self.order.seed is None:
            return
        random.seed(self.order.seed)
        for name in SEEDED:
            if name in sys.modules or name not in self._awaited:
                self._awaited.add(name)
                self._imports.when_imported(name, self._seed_module)

    def _seed_module(self, module: ModuleType) -> None:
        SEEDED[module.__name__](module)(self.order.seed)

    def finish(self) -> NoReturn:
        """End the recording, and the test, from within it."""
        self.finished = True
        # Without torch there is no recorder, and importing it here would import torch.
        install = sys.modules.get("detaudit.record.install")
        recorder = None if install is None else install.current()
        if recorder is not None:
            recorder.close()
        pytest.skip("detaudit has recorded the call")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[object]) -> Generator[None, object, object]:
        """Notice the end of the steps that were asked for."""
        recorder = sys.modules.get("detaudit.record.recorder")
        if recorder is not None and call.excinfo is not None:
            self.finished |= isinstance(call.excinfo.value, recorder.StopAfterSteps)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what failed, unless the audit itself ended the test."""
        if report.failed and not self.finished:
            self._failures.append(f"{report.nodeid} failed in its {report.when}:\n{report.longreprtext}")

    def _leave(self, code: int, text: str) -> NoReturn:
        if text:
            sys.stderr.write(text + "\n")
        # What happens at exit does not happen at this one.
        bootstrap = sys.modules.get("detaudit.run.bootstrap")
        if bootstrap is not None:
            bootstrap.leave_word_if_not_begun()
        shutil.rmtree(self._temporary, ignore_errors=True)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
