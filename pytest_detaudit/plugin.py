"""Connect detaudit to pytest: options, marker, fixture, and the part of the plugin that a session needs.

Imported by every pytest run in the environment, so it imports next to nothing. A session that a run of an
audit starts itself audits nothing: its tests are part of what is audited.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_detaudit.session_results import OUTPUT, collected

if TYPE_CHECKING:
    from pytest_detaudit.fixture import Detaudit

MARKER = (
    "reproducible(runs=2, seed=0, scope='all', level='layer', vary=None, tolerance=None, "
    "expect='reproducible'): run the test again in fresh processes and hold the runs against each other "
    "(detaudit)"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, on the command line and in the ini file."""
    group = parser.getgroup("detaudit", "reproducibility of training (detaudit)")
    group.addoption(
        "--detaudit",
        action="store_true",
        help="run every test that trains (a backward pass, an optimizer step) again in fresh processes, and "
        "fail where the runs differ",
    )
    group.addoption("--detaudit-runs", metavar="N", help="how many runs are compared (default: 2)")
    group.addoption(
        "--detaudit-scope", metavar="SCOPE", help="what must be the same: all (default), or training"
    )
    group.addoption("--detaudit-level", metavar="LEVEL", help="step, layer (default) or op")
    group.addoption(
        "--detaudit-update",
        action="store_true",
        default=None,
        help="write the lock anew: replace what differs, add what is missing, remove what no test uses",
    )
    group.addoption(
        "--detaudit-report",
        action="append",
        metavar="FORMAT:PATH",
        help="write the results of all audits to this file: json, markdown, junit or sarif",
    )
    # How a fresh process learns which test it is to run; not for users.
    group.addoption("--detaudit-order", metavar="FILE", help="(internal) what an audit has ordered")
    parser.addini("detaudit_runs", "how many runs are compared")
    parser.addini("detaudit_scope", "what must be the same: all, or training")
    parser.addini("detaudit_level", "step, layer or op")
    parser.addini("detaudit_update", "whether locks are written anew")
    parser.addini("detaudit_report", "FORMAT:PATH, one per line", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the part of the plugin that this session needs."""
    config.addinivalue_line("markers", MARKER)
    order = config.getoption("detaudit_order")
    if any(config.getoption(f"detaudit_{name}") is not None for name in ("runs", "scope", "level", "report")):
        from pytest_detaudit.ending import check_settings

        check_settings(config)
    if order is not None:
        from pytest_detaudit.ordered import OrderedTests

        config.pluginmanager.register(OrderedTests(config, order), "detaudit-ordered")
    elif config.getoption("detaudit") and not _is_within():
        from pytest_detaudit.trained_tests import Suite

        config.pluginmanager.register(Suite(config), "detaudit-suite")


def _is_within() -> bool:
    from detaudit import nested

    return nested.is_within()


@pytest.fixture
def detaudit(request: pytest.FixtureRequest) -> Detaudit:
    """Audits calls of functions that train: see `pytest_detaudit.fixture.Detaudit`."""
    from pytest_detaudit.fixture import Detaudit

    return Detaudit(request.node)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say at once what a mark cannot say."""
    if item.get_closest_marker("reproducible") is not None:
        from pytest_detaudit.marked import mark_of

        mark_of(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """After a marked test has passed: run it again, and hold the runs against each other."""
    result = yield
    ordered = item.config.getoption("detaudit_order") is not None
    if not ordered and item.get_closest_marker("reproducible") is not None and not _is_within():
        from pytest_detaudit.marked import audit_marked

        audit_marked(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what was found, not only the failed assert, where a test fails that has audited calls."""
    report = yield
    fixture = sys.modules.get("pytest_detaudit.fixture")
    if fixture is not None and report.failed and report.when == "call":
        fixture.explain_failure(item, report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what the session's audits left; in a worker of xdist, hand it over."""
    config = session.config
    output = getattr(config, "workeroutput", None)
    asked = config.getoption("detaudit_update") or config.getoption("detaudit_report")
    # Within a run nothing was audited, so that nothing is known about what the lock needs.
    if not (collected(config) or asked) or _is_within():
        return
    from pytest_detaudit import ending

    if output is not None:
        output[OUTPUT] = collected(config).packed()
    else:
        ending.end(session)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over what a worker of xdist hands over."""
    packed = getattr(node, "workeroutput", {}).get(OUTPUT)
    if packed is not None:
        collected(node.config).take(packed)  # type: ignore[attr-defined]  # a class of xdist's


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Sum up, if there is anything."""
    ending = sys.modules.get("pytest_detaudit.ending")
    if ending is not None:
        ending.summarize(terminalreporter, config)
