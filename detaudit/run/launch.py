"""Start one recorded run in a fresh process, watch over it, and leave nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from detaudit.errors import RunError, TraceError
from detaudit.model.plan import SEEDED, Exchange, RunOutcome, RunPlan, TargetKind
from detaudit.record.session import MAIN_TRACE, PROBLEM_FILE, VARIABLE, load_session
from detaudit.run import axes
from detaudit.run.command import command_for
from detaudit.sources import surroundings
from detaudit.sources.catalogue import BY_NAME
from detaudit.trace.data import steps_completed
from detaudit.trace.merge import merge, settle
from detaudit.trace.reader import TraceReader
from detaudit.trace.writer import TraceWriter

_SITE = Path(__file__).parent / "site"
_POLL_SECONDS = 0.05
_AFTERMATH_SECONDS = 1.0
_GRACE_SECONDS = 3.0
"""How long a process may take to end after it was asked to, before it is killed."""


@dataclass
class Launched:
    """A run under way."""

    id: str
    folder: Path
    process: subprocess.Popen[bytes]
    started: float
    stdout: Path
    stderr: Path

    def steps(self) -> int:
        """Steps completed so far, read from the growing trace."""
        return steps_so_far(self.folder / MAIN_TRACE)


@contextlib.contextmanager
def launched(plan: RunPlan, run: str, folder: Path, *, capture: bool = True) -> Iterator[Launched]:
    """Start a run in `folder` (which must exist); whatever happens, none of its processes stays behind.

    `capture` sends the program's output to files; without it the program writes to our own streams.
    Raises RunError if the process cannot be started.
    """
    _write_session(plan, folder)
    stdout, stderr = folder / "stdout.txt", folder / "stderr.txt"
    with contextlib.ExitStack() as stack:
        try:
            process = subprocess.Popen(
                command_for(axes.with_arguments(_from_anywhere(plan))),
                cwd=_working_directory(plan, folder),
                env=_environment(plan, folder),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=stack.enter_context(stdout.open("wb")) if capture else None,
                stderr=stack.enter_context(stderr.open("wb")) if capture else None,
            )
        except OSError as error:
            raise RunError("run-not-started", f"the run could not be started: {error}") from error
        run_under_way = Launched(run, folder, process, time.monotonic(), stdout, stderr)
        try:
            yield run_under_way
        finally:
            end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, politely at first.

    What a program that ended by itself leaves running gets a moment too: multiprocessing's resource tracker
    tidies up shared memory behind the program.
    """
    if process.poll() is None or not _gone(process, _AFTERMATH_SECONDS):
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal_number)
            if _gone(process, _GRACE_SECONDS):
                break
    process.wait()


def _gone(process: subprocess.Popen[bytes], patience: float) -> bool:
    """Whether no process of the group is left, at the latest after `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        # Reaps the process itself, which would otherwise stay in its group as a zombie.
        process.poll()
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(_POLL_SECONDS / 2)
    return False


def collect(run: Launched, *, timed_out: bool) -> RunOutcome:
    """Gather what a run that ended left: one trace of all its processes.

    Raises RunError if the traces cannot be put together (a full disk).
    """
    seconds, code = time.monotonic() - run.started, run.process.returncode
    trace = run.folder / MAIN_TRACE
    try:
        if not run.folder.is_dir():
            raise RunError(
                "trace-gone",
                f"the program removed the folder of its own trace, {run.folder}",
                "audit it with --keep FOLDER",
            )
        recorded = complete(run.folder, trace, code, seconds)
    except (sqlite3.Error, OSError) as error:
        raise RunError(
            "trace-not-written",
            f"the trace of run {run.id} could not be completed: {error}",
            "free some space, or name another folder with --keep",
        ) from error
    return RunOutcome(run.id, trace if recorded else None, code, seconds, timed_out, run.stdout, run.stderr)


def steps_so_far(trace: Path) -> int:
    """Steps completed in a trace that is still being written; 0 if it cannot be read yet."""
    try:
        with TraceReader(trace) as reader:
            return steps_completed(reader)
    except TraceError:
        return 0


def wait(process: subprocess.Popen[bytes], seconds: float = _POLL_SECONDS) -> bool:
    """Wait a moment; True once the process has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is not None


def complete(folder: Path, trace: Path, code: int, seconds: float) -> bool:
    """Put a run's traces together; False if no process recorded anything."""
    parts = sorted(folder.glob("*.part"))
    for part in parts:
        settle(part)
    parts = [part for part in parts if _readable(part)]
    if not trace.exists():
        if not parts:
            return False
        _write_empty(folder, trace)
    settle(trace)
    merge(trace, parts)
    connection = sqlite3.connect(trace)
    try:
        with connection:
            values = {"exit_code": code, "seconds": seconds}
            problem = folder / PROBLEM_FILE
            if problem.exists():
                values["problems"] = problem.read_text(encoding="utf-8").splitlines()  # type: ignore[assignment]  # JSON all the same
            rows = [(name, json.dumps(value)) for name, value in values.items()]
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", rows)
    finally:
        connection.close()
    return True


def _write_empty(folder: Path, trace: Path) -> None:
    """Make the trace of a main process that only started others and saw nothing itself."""
    writer = TraceWriter(trace)
    session = load_session(str(folder / "session.json"), is_main=True)
    for name, value in {**session.header(), "finished": True}.items():
        writer.set_meta(name, value)
    writer.close()


def _readable(part: Path) -> bool:
    # A child that was killed while it made its file leaves an empty one: it recorded nothing.
    try:
        with TraceReader(part) as reader:
            return bool(reader.streams)
    except TraceError:
        return False


def _write_session(plan: RunPlan, folder: Path) -> None:
    values = {
        "folder": str(folder.resolve()),
        "level": plan.level.value,
        "target": plan.target.name,
        "conditions": conditions(plan),
        "steps": plan.steps,
        "window": plan.window,
        "ledger": plan.ledger,
        "held": [asdict(one) for one in plan.held],
        "varied": [asdict(one) for one in plan.varied],
        "sketches": plan.sketches,
        "axes": plan.axes,
        "values": _exchange(plan.values),
        "draws": _exchange(plan.draws),
        "on_request": plan.on_request,
        "capture": None if plan.capture is None else asdict(plan.capture),
    }
    try:
        (folder / "session.json").write_text(json.dumps(values), encoding="utf-8")
    except OSError as error:
        raise RunError(
            "folder-not-writable", f"cannot write to {folder}: {error.strerror}", "name another folder"
        ) from error


def _exchange(exchange: Exchange | None) -> dict[str, object] | None:
    if exchange is None:
        return None
    return {**asdict(exchange), "folder": str(exchange.folder.resolve()), "part": exchange.part.value}


def conditions(plan: RunPlan) -> dict[str, object]:
    """All that is set from outside for a run."""
    return {
        "level": plan.level.value,
        "seed": plan.seed if plan.target.kind in SEEDED else None,
        "steps": plan.steps,
        "hash_seed": _variables(plan).get("PYTHONHASHSEED", "random"),
        "working_directory": str(plan.folder or Path.cwd()),
        **{f"env:{name}": value for name, value in plan.variables},
        **dict(plan.axes),
    }


def _elsewhere(plan: RunPlan) -> bool:
    return any(one.source == surroundings.FOLDER for one in plan.varied)


def _working_directory(plan: RunPlan, folder: Path) -> Path | None:
    """The folder in which the program is started; None: ours."""
    if not _elsewhere(plan):
        return plan.folder
    empty = folder / "elsewhere"
    empty.mkdir()
    return empty


def _from_anywhere(plan: RunPlan) -> RunPlan:
    """The same plan, with its files named so that they are found from any folder."""
    if not _elsewhere(plan):
        return plan
    path = None if plan.target.path is None else plan.target.path.absolute()
    call = None if plan.call is None else os.path.abspath(plan.call)
    return replace(plan, target=replace(plan.target, path=path), call=call)


def _variables(plan: RunPlan) -> dict[str, str]:
    """The environment of the program, as far as the user and the sources decide about it."""
    environment = dict(os.environ)
    for one in plan.varied:
        environment |= BY_NAME[one.source].variation(one.amount).environment
    environment |= dict(plan.variables)
    environment |= axes.variables(plan)
    for one in plan.held:
        environment |= BY_NAME[one.source].held_by
    return environment


def _environment(plan: RunPlan, folder: Path) -> dict[str, str]:
    environment = _variables(plan)
    environment[VARIABLE] = str((folder / "session.json").resolve())
    paths = [str(_SITE), *map(str, plan.import_first)]
    if plan.import_from is not None:
        paths.append(str(plan.import_from))
    if environment.get("PYTHONPATH"):
        paths.append(environment["PYTHONPATH"])
    if _elsewhere(plan):
        paths = [os.path.abspath(part) for path in paths for part in path.split(os.pathsep)]
        if plan.target.kind in {TargetKind.MODULE, TargetKind.CALLABLE}:
            # Where `python -m` looks first.
            paths.append(os.getcwd())
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    if plan.folder is not None:
        # As a shell would that is in that folder.
        environment["PWD"] = str(plan.folder)
    return environment
