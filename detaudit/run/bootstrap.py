"""Prepare an audited process before anything else: wait for torch, then start recording.

Imports next to nothing, so that the program starts as it would without detaudit; above all not torch,
whose import would fix settings (OMP_NUM_THREADS and the like) before the program can choose them.
"""

from __future__ import annotations

import atexit
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from detaudit.run import variable_names
from detaudit.run.heap import keep_scattering, scatter
from detaudit.run.tracebacks import show_without_own_frames
from detaudit.sources.imports import ImportWatch

if TYPE_CHECKING:
    from detaudit.sources.taps import Taps

_awaited: list[str] = []
"""The session that is to be recorded once torch is there: empty or one entry."""


def prepare() -> None:
    """Arrange for recording to start when the program imports torch; put taps in place at once."""
    path = os.environ[variable_names.SESSION]
    is_main = _is_first(path)
    scatter()
    _awaited.append(path)
    # Registered early, so run late: what the program imports at exit counts too.
    atexit.register(leave_word_if_not_begun)
    # Without a ledger, nothing more than this is imported before the program.
    taps = _put_taps(path, is_main=is_main) if variable_names.LEDGER in os.environ else None
    if taps is not None and not is_main:
        atexit.register(_write_ledger_if_not_begun, path, taps)
    watch = ImportWatch() if taps is None else taps.imports
    watch.when_imported("torch", lambda torch: _start_recording(path, taps, torch, is_main=is_main))


def leave_word_if_not_begun() -> None:
    """Report a program that has torch though nothing was recorded: it may have trained unseen."""
    from detaudit.torch_private.loaded import is_loaded

    if not _awaited or not is_loaded():
        return
    from detaudit.record.session import load_session

    load_session(_awaited[0], is_main=False).leave_problem(
        "recording never began, since torch was not loaded by an import statement"
    )


def _write_ledger_if_not_begun(path: str, taps: Taps) -> None:
    """Write down what a process drew that the program started, and that does without torch."""
    if not _awaited or "torch" in sys.modules:
        return
    from detaudit.record.session import load_session
    from detaudit.record.sites import Sites
    from detaudit.record.without_torch import write_ledger

    if isinstance(taps.lines, Sites):
        write_ledger(load_session(path, is_main=False), taps.lines, taps.ledger)


def _put_taps(path: str, *, is_main: bool) -> Taps:
    from detaudit.record.session import load_session
    from detaudit.record.sites import Sites
    from detaudit.sources.catalogue import put_taps

    session = load_session(path, is_main=is_main)
    return put_taps(Sites(session.program), session.held, session.perturbed)


def _is_first(session: str) -> bool:
    """Say whether this is the audited program itself, which is the first of all processes to come here."""
    try:
        os.close(os.open(session + ".claimed", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _start_recording(path: str, taps: Taps | None, torch: ModuleType, *, is_main: bool) -> None:
    from detaudit.record.session import load_session
    from detaudit.torch_private.supported import why_too_old

    session = load_session(path, is_main=is_main)
    _awaited.clear()
    why = why_too_old(str(torch.__version__))
    if why is not None:
        # The program goes on as it would; only that nothing of it is seen has to be said.
        session.leave_problem(why)
        return
    if session.axes:
        from detaudit.run.inside import set_conditions

        set_conditions(session)
    if session.on_request:
        # It is the recorder itself that may be importing torch here.
        keep_scattering()
        return
    from detaudit.record.install import install
    from detaudit.record.sites import Sites
    from detaudit.run.listeners import listeners_of

    sites = taps.lines if taps is not None and isinstance(taps.lines, Sites) else Sites(session.program)
    install(session, sites, taps, listeners_of(session))
    scatter()
    keep_scattering()
    show_without_own_frames()
