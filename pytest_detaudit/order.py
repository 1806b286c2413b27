"""Order tests from a fresh pytest process: a file tells which tests to run, and what of them to record."""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from detaudit.model.codec import from_plain, to_plain

OPTION = "--detaudit-order"

FLAGS = frozenset(
    {
        "--detaudit", "--detaudit-update", "--lf", "--last-failed", "--ff", "--failed-first", "--nf",
        "--new-first", "--sw", "--stepwise", "--sw-skip", "--stepwise-skip", "--sw-reset", "--stepwise-reset",
        "--pdb", "--trace", "--cov-append",
    }
)  # fmt: skip
"""Options of the session that are not passed on: they choose tests, ask the user, or are about the audit."""

VALUED = frozenset(
    {
        "--detaudit-runs", "--detaudit-level", "--detaudit-report", "--detaudit-order", "--basetemp",
        "--junitxml", "--junit-xml", "--log-file", "--report-log", "--html", "--json-report-file",
        "--cov-report", "--cov", "--reruns", "--reruns-delay", "-n", "--numprocesses", "--dist", "--tx",
        "--maxprocesses", "--rootdir", "-c", "--config-file", "--lfnf", "--last-failed-no-failures",
    }
)  # fmt: skip
"""Options with a value that are not passed on either: these also write files, or start processes."""


SWITCHES = {"numprocesses": "-n0", "reruns": "--reruns=0", "no_cov": "--no-cov"}
"""Options of other plugins (xdist, rerunfailures, cov), and the arguments that switch these off if the
plugins are there. Files may set these options as well."""


@dataclass(frozen=True, slots=True)
class Order:
    """Run these tests."""

    tests: tuple[str, ...]
    """Node ids of the tests."""
    seed: int | None = None
    """The seed for python's, numpy's and torch's generators before each test and call; None: they are not
    seeded."""
    call: int | None = None
    """Number of the call of the `detaudit` fixture that is audited; None: the test itself is audited."""
    earlier: tuple[str, ...] = ()
    """The answers that earlier calls of the fixture got, as JSON."""

    def save(self, path: Path) -> None:
        """Write the order to a file."""
        path.write_text(json.dumps(to_plain(self)), encoding="utf-8")


def load_order(path: str) -> Order:
    """Read an order back."""
    return from_plain(Order, json.loads(Path(path).read_text(encoding="utf-8")), "order")


def command_for(config: pytest.Config, files: Sequence[Path], order: Path) -> tuple[str, ...]:
    """Give the arguments of the Python interpreter that run tests of these files as this session would.

    The session's own options are passed on, but not those that choose tests, write reports, start processes.
    """
    # With -m, Python itself adds the current folder to sys.path; `pytest` by itself does not.
    folder = str(config.invocation_params.dir)
    alone = () if {"", folder} & set(sys.path) else ("-P",)
    # The files first: behind options that only their conftest knows, they would be taken for values of those.
    return (*alone, "-m", "pytest", *map(str, files), *_options(config), OPTION, str(order))


def id_of(item: pytest.Item) -> str:
    """Give the node id of a test, without the group that xdist appends for `--dist loadgroup`."""
    if not item.config.getoption("loadgroup", default=False):
        return item.nodeid
    groups = {
        str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
        for mark in item.iter_markers("xdist_group")
    }
    return item.nodeid.removesuffix(f"@{'_'.join(sorted(groups))}")


def _options(config: pytest.Config) -> Iterator[str]:
    given = [str(argument) for argument in config.invocation_params.args]
    yield from _passed_on(given, set(config.option.file_or_dir or ()))
    yield f"--rootdir={config.rootpath}"
    if config.inipath is not None:
        yield f"--config-file={config.inipath}"
    if config.getoption("log_file", None) or config.getini("log_file"):
        yield f"--log-file={os.devnull}"
    yield from (switch for name, switch in SWITCHES.items() if hasattr(config.option, name))
    seed = config.getoption("randomly_seed", None)
    if isinstance(seed, int):
        yield f"--randomly-seed={seed}"


def _passed_on(arguments: list[str], positional: set[str]) -> Iterator[str]:
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        name, equals, _ = argument.partition("=")
        if name in VALUED:
            # The value may be left out: `--cov --cov-append`.
            if rest and not equals and not rest[0].startswith("-"):
                rest.popleft()
        elif _is_short_count(argument) or argument in FLAGS or argument in positional:
            continue
        elif argument in {"-p", "-k", "-m", "-o", "-W", "-r"}:
            yield argument
            yield rest.popleft() if rest else ""
        else:
            yield argument


def _is_short_count(argument: str) -> bool:
    """Say whether this is `-n4`."""
    return argument.startswith("-n") and argument[2:].isdigit()
