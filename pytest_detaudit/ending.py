"""End a session that has audited something: write the lock and the reports, sum up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from detaudit.errors import DetauditError, UsageError
from detaudit.model.result import AuditResult, Verdict
from pytest_detaudit.answer import in_brief
from pytest_detaudit.locked import LockChange, update_lock
from pytest_detaudit.session_results import Collected, collected
from pytest_detaudit.settings import settings_for, usage_error

if TYPE_CHECKING:
    from detaudit.config import Settings

_CHANGE = pytest.StashKey[LockChange]()
_PROBLEM = pytest.StashKey[str]()
COUNTED = {
    Verdict.REPRODUCIBLE: "reproducible",
    Verdict.NOT_REPRODUCIBLE: "not reproducible",
    Verdict.UNVERIFIED: "unverified",
}


def end(session: pytest.Session) -> None:
    """Write what is to be written. The session fails where the lock has entries that nothing uses.

    Where a report or the lock cannot be written, it ends with pytest's exit status for wrong usage.
    """
    config = session.config
    try:
        settings = settings_for(config)
        found = collected(config)
        if found.used or settings.update:
            change = config.stash[_CHANGE] = update_lock(session, found, settings)
            if change.unused and not settings.update and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        _write_reports(found, settings, config.rootpath)
    except DetauditError as error:
        if not config.pluginmanager.hasplugin("terminalreporter"):
            raise usage_error(error) from None
        # Raised here, it would take away pytest's own summary.
        config.stash[_PROBLEM] = str(usage_error(error))
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


def check_settings(config: pytest.Config) -> None:
    """Raise pytest.UsageError, before any work is done, for settings that are not possible.

    So for reports that could not be written after it.
    """
    from detaudit.report.output import check_destinations

    try:
        check_destinations([path for _, path in reports_of(settings_for(config), config.rootpath)])
    except DetauditError as error:
        raise usage_error(error) from None


def reports_of(settings: Settings, folder: Path) -> Iterator[tuple[str, str]]:
    """List the formats and destinations that are asked for. Raises UsageError for an impossible report."""
    from detaudit.report.formats import FORMATS

    for text in filter(None, (settings.report or "").split(",")):
        name, colon, path = text.partition(":")
        if name not in FORMATS or not colon or not path:
            hint = f"give FORMAT:PATH, with one of {', '.join(FORMATS)}"
            raise UsageError("report-invalid", f"{text!r} is not possible as a report", hint)
        yield name, path if path == "-" else str(folder / path)


def _write_reports(found: Collected, settings: Settings, folder: Path) -> None:
    from detaudit.report.formats import FORMATS
    from detaudit.report.output import write

    for name, destination in reports_of(settings, folder):
        write(FORMATS[name](found.results), destination)


def summarize(terminal: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was audited, and what became of the lock."""
    found = collected(config)
    change = config.stash.get(_CHANGE, None)
    problem = config.stash.get(_PROBLEM, None)
    lines = [*_tally(found.results), *([] if change is None else change.lines())]
    if not lines and problem is None:
        return
    terminal.section("detaudit")
    for line in lines:
        terminal.line(line)
    if problem is not None:
        terminal.line(f"ERROR: {problem}", red=True)


def _tally(results: Sequence[AuditResult]) -> Iterator[str]:
    """Count the audits with each answer, and list those that are not reproducible."""
    if not results:
        return
    counts = {verdict: sum(one.verdict is verdict for one in results) for verdict in COUNTED}
    audits = "1 audit" if len(results) == 1 else f"{len(results)} audits"
    told = ", ".join(f"{count} {COUNTED[verdict]}" for verdict, count in counts.items() if count)
    yield f"{audits}: {told}"
    for result in results:
        if not result.reproducible:
            yield f"  {result.target.name}: {in_brief(result)}"
