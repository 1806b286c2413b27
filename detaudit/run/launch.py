"""Start one recorded run in a fresh process, watch over it, and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from detaudit import nested
from detaudit.axes import hash_seed
from detaudit.errors import RunError, TraceError
from detaudit.model.plan import SEEDED, Exchange, RunOutcome, RunPlan
from detaudit.record.session import (
    MAIN_TRACE,
    SESSION_FILE,
    Session,
    problems_in,
    save_session,
)
from detaudit.run.command import command_for, environment_of, runs_elsewhere, variables_of, with_arguments
from detaudit.run.gather import complete
from detaudit.run.guard import Guarded, start
from detaudit.torch_private.supported import refuse_older
from detaudit.trace.data import steps_completed
from detaudit.trace.reader import TraceReader


@dataclass
class Launched:
    """A run under way."""

    id: str
    folder: Path
    process: Guarded
    started: float
    stdout: Path
    stderr: Path

    def steps(self) -> int:
        """Count the steps completed so far, read from the growing trace."""
        return steps_so_far(self.folder / MAIN_TRACE)


@contextlib.contextmanager
def launched(plan: RunPlan, run: str, folder: Path, *, capture: bool = True) -> Iterator[Launched]:
    """Start a run in `folder` (which must exist); whatever happens, none of its processes stays behind.

    `capture` sends the program's output to files; without it the program writes to our own streams.
    Raises RunError if the process cannot be started, UsageError within a run, TorchError if torch is too old.
    """
    nested.refuse(f"a run of {plan.target.name}")
    refuse_older()
    _write_session(plan, folder)
    stdout, stderr = folder / "stdout.txt", folder / "stderr.txt"
    with contextlib.ExitStack() as stack:
        process = start(
            command_for(with_arguments(_from_anywhere(plan))),
            folder=_working_directory(plan, folder),
            environment=environment_of(plan, folder),
            stdout=stack.enter_context(stdout.open("wb")) if capture else None,
            stderr=stack.enter_context(stderr.open("wb")) if capture else None,
        )
        run_under_way = Launched(run, folder, process, time.monotonic(), stdout, stderr)
        try:
            yield run_under_way
        finally:
            process.end()


def collect(run: Launched, *, timed_out: bool) -> RunOutcome:
    """Gather what a run that ended left: one trace of all its processes.

    Raises RunError if the traces cannot be put together (a full disk).
    """
    seconds, trace = time.monotonic() - run.started, run.folder / MAIN_TRACE
    try:
        if not run.folder.is_dir():
            raise RunError(
                "trace-gone",
                f"the program removed the folder of its own trace, {run.folder}",
                "audit it with --keep FOLDER",
            )
        code = _exit_code(run.process.returncode, trace)
        recorded = complete(run.folder, trace, code, seconds)
        problem = next(iter(problems_in(run.folder)), None)
    except (sqlite3.Error, OSError) as error:
        raise RunError(
            "trace-not-written",
            f"the trace of run {run.id} could not be completed: {error}",
            "free some space, or name another folder with --keep",
        ) from error
    asked = nested.asked_in(run.folder)
    found = trace if recorded else None
    return RunOutcome(run.id, found, code, seconds, timed_out, run.stdout, run.stderr, problem, asked)


def _exit_code(code: int, trace: Path) -> int:
    """Give 0 for a run that was ended after its last step that was asked for, as `StopAfterSteps` says.

    A program that catches that end (pytest does) may take it for a failure of its own.
    """
    if code <= 0 or not trace.exists():
        return code
    try:
        with TraceReader(trace) as reader:
            return 0 if reader.info.stopped else code
    except TraceError:
        return code


def steps_so_far(trace: Path) -> int:
    """Count the completed steps in a trace that is still being written; 0 if the trace cannot be read yet."""
    try:
        with TraceReader(trace) as reader:
            return steps_completed(reader)
    except TraceError:
        return 0


def _write_session(plan: RunPlan, folder: Path) -> None:
    try:
        save_session(session_of(plan, folder), folder / SESSION_FILE)
    except OSError as error:
        raise RunError(
            "folder-not-writable", f"cannot write to {folder}: {error.strerror}", "name another folder"
        ) from error


def session_of(plan: RunPlan, folder: Path) -> Session:
    """Describe how the program itself is recorded in a run of a plan, whose trace goes to `folder`."""
    return Session(
        folder=str(folder.resolve()),
        level=plan.level,
        target=plan.target.name,
        conditions=conditions(plan),
        steps=plan.steps,
        window=plan.window,
        is_main=True,
        held=plan.held,
        perturbed=plan.perturbed,
        capture=plan.capture,
        sketches=plan.sketches,
        axes=tuple((one.axis, one.text) for one in plan.axes),
        values=_resolved(plan.values),
        draws=_resolved(plan.draws),
        on_request=plan.on_request,
        program=None if plan.target.package is None else str(plan.target.package),
    )


def _resolved(exchange: Exchange | None) -> Exchange | None:
    """Name the folder so that it is found wherever the program goes."""
    return None if exchange is None else replace(exchange, folder=exchange.folder.resolve())


def conditions(plan: RunPlan) -> dict[str, object]:
    """All that is set from outside for a run."""
    return {
        "level": plan.level.value,
        "seed": plan.seed if plan.target.kind in SEEDED else None,
        "steps": plan.steps,
        "hash_seed": variables_of(plan).get(hash_seed.VARIABLE, hash_seed.RANDOM),
        "working_directory": str(plan.folder or Path.cwd()),
        **({"launch": shlex.join(plan.target.launch)} if plan.target.launch else {}),
        **{f"env:{name}": value for name, value in plan.variables},
        **{one.axis: one.text for one in plan.axes},
    }


def _working_directory(plan: RunPlan, folder: Path) -> Path | None:
    """Make or name the folder in which the program is started; None: our own folder."""
    if not runs_elsewhere(plan):
        return plan.folder
    empty = folder / "elsewhere"
    empty.mkdir()
    return empty


def _from_anywhere(plan: RunPlan) -> RunPlan:
    """Give the plan with its files named so that they are found from any folder."""
    if not runs_elsewhere(plan):
        return plan
    path = None if plan.target.path is None else plan.target.path.absolute()
    call = None if plan.call is None else os.path.abspath(plan.call)
    return replace(plan, target=replace(plan.target, path=path), call=call)
