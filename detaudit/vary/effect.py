"""Whether a condition was in force: a value that has no effect would make two runs agree for nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from detaudit.model.axes import CAPABILITY, COMPILE, DETERMINISTIC, MKLDNN, THREADS, WORKERS
from detaudit.trace.data import read_iterations
from detaudit.trace.reader import TraceReader
from detaudit.vary.asked import Chosen

_ON_OFF = {"on": True, "off": False}


def without_effect(reader: TraceReader, chosen: Chosen) -> str | None:
    """Why one of the values on the axes was not in force in a run; None if all were, as far as is known."""
    for axis, value in chosen:
        told = _TELLERS.get(axis)
        why = None if told is None else told(reader, value)
        if why is not None:
            return f"{axis}={value} had no effect: {why}"
    return None


def nothing_varied(readers: Mapping[str, TraceReader], axes: tuple[str, ...]) -> str | None:
    """Why an axis says nothing about a program that never asks for what it sets."""
    if WORKERS in axes and not any(_workers_seen(reader) for reader in readers.values()):
        return "workers says nothing here: the program takes no batch from a DataLoader"
    if COMPILE in axes and not any(
        reader.info.environment.get("compiled_graphs") for reader in readers.values()
    ):
        return "compile says nothing here: nothing was compiled; a script must call torch.compile itself"
    return None


# A process that only starts others which train never loads torch: of its settings nothing is known.
def _threads(reader: TraceReader, value: str) -> str | None:
    used = reader.info.environment.get("torch_threads")
    if used is None or str(used) == value:
        return None
    return f"the program set the number of threads itself, to {used}"


def _capability(reader: TraceReader, value: str) -> str | None:
    used = str(reader.info.environment.get("cpu_capability", value))
    return None if used.lower() == value else f"torch uses {used} on this processor"


def _flag(name: str) -> Callable[[TraceReader, str], str | None]:
    def told(reader: TraceReader, value: str) -> str | None:
        used = reader.info.environment.get(name, _ON_OFF[value])
        return None if used is _ON_OFF[value] else "the program sets it itself"

    return told


def _compile(reader: TraceReader, value: str) -> str | None:
    compiled = reader.info.environment.get("compiled_graphs")
    return "the program compiled all the same" if compiled and value == "off" else None


def _workers(reader: TraceReader, value: str) -> str | None:
    seen = _workers_seen(reader)
    return None if seen <= {int(value)} else f"the program's loaders ran with {sorted(seen)} workers"


def _workers_seen(reader: TraceReader) -> set[int]:
    """How many workers the loaders had that a run went through."""
    passes = (one for stream in reader.streams for one in read_iterations(reader, stream.id))
    return {one.workers for one in passes}


_TELLERS: Mapping[str, Callable[[TraceReader, str], str | None]] = {
    THREADS: _threads,
    CAPABILITY: _capability,
    MKLDNN: _flag("mkldnn"),
    DETERMINISTIC: _flag("deterministic_algorithms"),
    WORKERS: _workers,
    COMPILE: _compile,
}
