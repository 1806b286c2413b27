"""Find files that an earlier run left and that a later run uses."""

from __future__ import annotations

import os
import stat
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, EntryPair, Fact
from detaudit.sources.observation import Naming, Observation
from detaudit.sources.source import Situation, Source, Suspicion
from detaudit.sources.taps import Asked, Taps

NAME = "leftovers"
OPENS = {Act.OPENS_TO_READ: "open to read", Act.OPENS_TO_WRITE: "open to write"}
WRITING = frozenset("wax+")


def _tap(taps: Taps) -> None:
    import builtins
    import io

    for owner in (builtins, io):
        taps.function(
            owner, "open", _opened(taps), asked_by=Asked.PROGRAM_THROUGH_STANDARD, calls_program=True
        )
    for name in ("exists", "isfile", "isdir"):
        taps.function(os.path, name, _asked(taps, f"os.path.{name}"), asked_by=Asked.PROGRAM)
    taps.when_imported("torch.serialization", lambda module: _tap_torch(taps, module))


def _opened(taps: Taps) -> Any:
    def read(original: Any, file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        _note(taps, file, Act.OPENS_TO_WRITE if WRITING & set(mode) else Act.OPENS_TO_READ)
        return original(file, mode, *args, **kwargs)

    return read


def _asked(taps: Taps, operation: str) -> Any:
    def read(original: Any, path: Any) -> bool:
        value = bool(original(path))
        if isinstance(path, str | os.PathLike):
            whole = os.path.abspath(path)
            taps.note(NAME, operation, (whole, value), Fact(Act.LOOKS_FOR_FILE, about=str(whole)))
        return value

    return read


def _note(taps: Taps, file: Any, act: Act) -> None:
    if not isinstance(file, str | os.PathLike):
        return
    path = os.path.abspath(os.fspath(file))
    if isinstance(path, str) and _is_data(path):
        taps.note(NAME, OPENS[act], path, Fact(act, about=path))


def _is_data(path: str) -> bool:
    """Say whether a file can be something that a run left: no device, no code."""
    if path.endswith((".py", ".pyc", ".so")) or path.startswith(("/proc/", "/sys/", "/dev/")):
        return False
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        # A file that is about to be made.
        return True


def _tap_torch(taps: Taps, module: Any) -> None:
    # These write and read through torch's own C++ code, where `open` is not seen.
    def saved(original: Any, obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
        _note(taps, f, Act.OPENS_TO_WRITE)
        return original(obj, f, *args, **kwargs)

    def loaded(original: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
        _note(taps, f, Act.OPENS_TO_READ)
        return original(f, *args, **kwargs)

    taps.function(module, "save", saved, asked_by=Asked.PROGRAM_THROUGH_STANDARD, calls_program=True)
    taps.function(module, "load", loaded, asked_by=Asked.PROGRAM_THROUGH_STANDARD, calls_program=True)


def _picked_up(pair: EntryPair, situation: Situation) -> bool:
    entry = pair.entry
    return entry.fact.about in situation.picked_up and entry.act is not Act.OPENS_TO_WRITE


def _folder_picked_up(pair: EntryPair, situation: Situation) -> bool:
    """Say whether a folder is listed that an earlier run made."""
    return pair.entry.act is Act.LISTS_FOLDER and pair.entry.fact.about in situation.picked_up


def _name(seen: Observation) -> Naming:
    # Whether a file is there is asked for before it is read; the line that reads it is the one to name.
    read = [entry for entry in seen.entries if entry.act is Act.OPENS_TO_READ]
    entry = seen.telling(read) or seen.telling()
    if entry is None:
        return seen.name_bare(Cause.CACHED_STATE)
    words = f"a file that an earlier run left is picked up: {entry.fact.about}"
    return seen.name_at(Cause.CACHED_STATE, entry, words)


SOURCE = Source(
    name=NAME,
    words="files that an earlier run left",
    causes=(Cause.CACHED_STATE,),
    tap=_tap,
    suspicion=Suspicion(85, concerns=_picked_up, concerns_others=_folder_picked_up),
    name_fault=_name,
)
