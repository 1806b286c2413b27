"""The folder that all ranks of one launch leave their traces in, on a network file system as a rule.

A trace comes there as a whole: it is copied under a name that nobody reads, then renamed. One folder is for
one launch; a later one is not recorded there, so that its ranks never mix with those of another.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from detaudit.errors import RunError, TraceError
from detaudit.run import variable_names
from detaudit.trace.reader import TraceReader

TRACES = "*.trace"
_TOGETHER = {
    "Slurm": ("SLURM_JOB_ID", "SLURM_STEP_ID"),
    "PMIx": ("PMIX_NAMESPACE",),
    "Open MPI": ("OMPI_MCA_ess_base_jobid",),
}
"""What launchers give to all processes of one launch, and to no other one."""
_MEETING = ("MASTER_ADDR", "MASTER_PORT")
"""Where the ranks of a launch meet; a later launch may meet there as well."""


def why_not(folder: Path) -> str | None:
    """Say why nothing can be recorded in a folder, which is made; None if it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        earlier = min(folder.glob(TRACES), default=None)
    except OSError as error:
        return f"{folder} cannot be used: {error.strerror}"
    if not os.access(folder, os.W_OK):
        return f"{folder} cannot be written to"
    if earlier is None or not _is_other(earlier, launch_names(os.environ)):
        return None
    return f"{folder} has traces of an earlier launch; name a new folder in {variable_names.RECORD}"


def launch_names(environment: Mapping[str, str]) -> tuple[str, ...]:
    """List the names of the launch that a process belongs to; two processes of one launch share a name."""
    found = [f"{variable_names.LAUNCH} {environment.get(variable_names.LAUNCH, '')}"]
    for launcher, names in _TOGETHER.items():
        if all(environment.get(name) for name in names):
            found.append(" ".join([launcher, *(environment[name] for name in names)]))
    return tuple(found)


def meeting_place(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Name the place where the ranks of a launch meet, if they do: no other launch meets there meanwhile."""
    place = ":".join(environment[name] for name in _MEETING if environment.get(name))
    return (f"met at {place}",) if place else ()


def publish(trace: Path, folder: Path, stem: str) -> None:
    """Copy a trace, which nobody writes to any more, into the folder.

    A rank that was started again replaces its earlier trace, which was cut off. What is there already for
    another reason stays, and the name gets a number. Raises RunError if another launch has been there, and
    OSError if the folder cannot be written.
    """
    with TraceReader(trace) as reader:
        launch, restarts = reader.info.launch, _restarts(reader)
    if any(_is_other(one, launch) for one in itertools.islice(folder.glob(TRACES), 1)):
        raise RunError("folder-taken", f"{folder} has traces of another launch, so {stem} was not put there")
    whole = folder / f".{stem}.{os.uname().nodename}-{os.getpid()}.partial"
    try:
        shutil.copyfile(trace, whole)
        with whole.open("rb+") as file:
            os.fsync(file.fileno())
        whole.replace(_free(folder, stem, restarts))
    finally:
        with contextlib.suppress(OSError):
            whole.unlink()


def _free(folder: Path, stem: str, restarts: int) -> Path:
    for number in itertools.count(1):
        path = folder / f"{stem if number == 1 else f'{stem}-{number}'}.trace"
        if not path.exists():
            return path
        with TraceReader(path) as reader:
            if _restarts(reader) < restarts:
                return path
    raise AssertionError


def _restarts(reader: TraceReader) -> int:
    return max((rank.restarts for rank in reader.info.ranks), default=0)


def _is_other(trace: Path, launch: tuple[str, ...]) -> bool:
    try:
        with TraceReader(trace) as reader:
            return not set(reader.info.launch) & set(launch)
    except TraceError:
        return True
