"""The first thing that happens in an audited process: wait for torch, then start recording.

Imports next to nothing, so that the program starts as it would without detaudit; above all not torch,
whose import would fix settings (OMP_NUM_THREADS and the like) before the program can choose them.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def prepare() -> None:
    """Arrange for recording to start when the program imports torch."""
    session = os.environ["DETAUDIT_SESSION"]
    sys.meta_path.insert(0, _TorchFinder(session, is_main=_is_first(session)))


def _is_first(session: str) -> bool:
    """Whether this is the audited program itself: of all processes it is the first to come here."""
    try:
        os.close(os.open(session + ".claimed", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


class _TorchFinder(importlib.abc.MetaPathFinder):
    """Sees the first import of torch and lets the usual finders do it."""

    def __init__(self, session: str, *, is_main: bool) -> None:
        self._session = session
        self._is_main = is_main

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find torch as if this finder were not there, with a loader that starts recording afterwards."""
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _TorchLoader(spec.loader, self._session, is_main=self._is_main)
                return spec
        return None


class _TorchLoader(importlib.abc.Loader):
    """Loads torch with its own loader, puts that back in its place, and starts recording."""

    def __init__(self, loader: importlib.abc.Loader, session: str, *, is_main: bool) -> None:
        self._loader = loader
        self._session = session
        self._is_main = is_main

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As torch's own loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Import torch, then start recording."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        _start_recording(self._session, is_main=self._is_main)


def _start_recording(session: str, *, is_main: bool) -> None:
    from detaudit.record.install import install
    from detaudit.record.session import load_session

    install(load_session(session, is_main=is_main))
    show = sys.excepthook

    def showing(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        # The user's own traceback: without the frames through which detaudit looked on.
        cleaned = without_own_frames(trace)
        show(kind, error.with_traceback(cleaned), cleaned)

    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = showing


def without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """A copy of a traceback without the frames of detaudit itself (its examples are user code)."""
    frames = []
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_PACKAGE) or file.startswith(os.path.join(_PACKAGE, "examples")):
            frames.append(trace)
        trace = trace.tb_next
    cleaned = None
    for frame in reversed(frames):
        cleaned = TracebackType(cleaned, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return cleaned
