"""Facts of the host and of the process: process number, host name, number of cores, memory in use."""

from __future__ import annotations

import os
import threading
from types import ModuleType
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact
from detaudit.sources.observation import Naming, Observation
from detaudit.sources.seeds import for_other_seed, name_new_seed
from detaudit.sources.source import Source, Suspicion
from detaudit.sources.taps import Asked, Taps

NAME = "host-facts"
WORKING_FOLDER = "os.getcwd"
_READS = Fact(Act.READS)
NUMBER = 4000
"""Process and thread numbers are counted from here when they are held."""
PAGES = 1 << 20
"""Free pages of memory, when held."""
MEMORY = 100_000
"""Kilobytes in use, when held."""


def _tap(taps: Taps) -> None:
    for name in ("getpid", "getppid"):
        taps.function(
            os, name, _fact(taps, f"os.{name}", lambda: process_number(taps)), asked_by=Asked.PROGRAM
        )
    for name in ("get_ident", "get_native_id"):
        taps.function(
            threading, name, _fact(taps, f"threading.{name}", _thread_number), asked_by=Asked.PROGRAM
        )
    taps.function(
        os, "getloadavg", _fact(taps, "os.getloadavg", lambda: (0.5, 0.5, 0.5)), asked_by=Asked.PROGRAM
    )
    # These cannot change from run to run on one host: they are only noted.
    for name in ("cpu_count", "uname", "getcwd"):
        taps.function(os, name, _fact(taps, f"os.{name}"), asked_by=Asked.PROGRAM)
    taps.function(os, "sysconf", _sysconf(taps), asked_by=Asked.PROGRAM)
    taps.when_imported("shutil", lambda module: _tap_disk(taps, module))
    taps.when_imported("psutil", lambda module: _tap_psutil(taps, module))
    taps.when_imported("socket", lambda module: _note(taps, module, "gethostname"))
    taps.when_imported("platform", lambda module: _note(taps, module, "node"))
    taps.when_imported("resource", lambda module: _tap_usage(taps, module))


def _fact(taps: Taps, operation: str, fixed: Any = None) -> Any:
    def read(original: Any, *args: Any) -> Any:
        held = fixed is not None and taps.holds(NAME, taps.lines.here())
        value = fixed() if held else original(*args)
        taps.note(NAME, operation, value, _READS)
        return value

    return read


def _note(taps: Taps, module: ModuleType, name: str) -> None:
    taps.function(module, name, _fact(taps, f"{module.__name__}.{name}"), asked_by=Asked.PROGRAM)


def process_number(taps: Taps) -> int:
    """Compute a process number that is equal in every run: 4000 for the main process."""
    return NUMBER + sum(int(part) for part in taps.process.split(".")[1:])


def _thread_number() -> int:
    names = sorted(thread.name for thread in threading.enumerate())
    return NUMBER + names.index(threading.current_thread().name)


def _sysconf(taps: Taps) -> Any:
    def read(original: Any, name: Any) -> int:
        value = int(original(name))
        if name == "SC_AVPHYS_PAGES" and taps.holds(NAME, taps.lines.here()):
            value = PAGES
        taps.note(NAME, "os.sysconf", value, _READS)
        return value

    return read


def _tap_disk(taps: Taps, module: Any) -> None:
    def read(original: Any, path: Any) -> Any:
        value = original(path)
        if taps.holds(NAME, taps.lines.here()):
            value = value._replace(used=value.total // 2, free=value.total // 2)
        taps.note(NAME, "shutil.disk_usage", value, _READS)
        return value

    taps.function(module, "disk_usage", read, asked_by=Asked.PROGRAM)


def _tap_psutil(taps: Taps, module: Any) -> None:
    def memory(original: Any) -> Any:
        value = original()
        if taps.holds(NAME, taps.lines.here()):
            half = value.total // 2
            value = value._replace(available=half, used=half, free=half, percent=50.0)
        taps.note(NAME, "psutil.virtual_memory", value, _READS)
        return value

    taps.function(module, "virtual_memory", memory, asked_by=Asked.PROGRAM)
    for name, held in (("cpu_percent", lambda: 50.0), ("getloadavg", lambda: (0.5, 0.5, 0.5))):
        taps.function(module, name, _fact(taps, f"psutil.{name}", held), asked_by=Asked.PROGRAM)


def _tap_usage(taps: Taps, module: Any) -> None:
    def read(original: Any, who: int) -> Any:
        value = original(who)
        if taps.holds(NAME, taps.lines.here()):
            value = type(value)((0.0, 0.0, MEMORY, *(0 for _ in range(len(value) - 3))))
        taps.note(NAME, "resource.getrusage", value, _READS)
        return value

    taps.function(module, "getrusage", read, asked_by=Asked.PROGRAM)


def _name(seen: Observation) -> Naming:
    """Name what a fact of the host does: it gives a seed, it divides work, or it reaches the numbers."""
    entry = seen.telling()
    if entry is None:
        return seen.name_bare(Cause.ENV_DEPENDENCE)
    words = f"{entry.operation} gives another value in each run ({entry.shown}), and it reaches the numbers"
    if not seen.in_worker(entry):
        new_seed = name_new_seed(seen, Cause.ENV_DEPENDENCE, "the process or the host")
        return new_seed or seen.name_at(Cause.ENV_DEPENDENCE, entry, words)
    seeds = any(seen.in_worker(seed) for seed in seen.other_seeds())
    shards = any(pair.entry.act is Act.SHARDS_AMONG_WORKERS for pair in seen.all_pairs)
    return seen.name_at(Cause.WORKER_ORDER if shards or not seeds else Cause.WORKER_SEEDING, entry, words)


SOURCE = Source(
    name=NAME,
    words="facts of the host and the process (process number and the like)",
    causes=(Cause.ENV_DEPENDENCE, Cause.WORKER_SEEDING, Cause.WORKER_ORDER),
    tap=_tap,
    suspicion=Suspicion(50, adjust=for_other_seed),
    held_by_line=True,
    name_fault=_name,
)
