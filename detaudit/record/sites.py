"""Find the line of the user's source that is running: the `site` of an event."""

from __future__ import annotations

import inspect
import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from enum import Enum
from types import CodeType, FrameType

from detaudit.model.trace import Site
from detaudit.torch_private.by_name import GENERATING, WORKER_FILE
from detaudit.trace.layout import NO_SITE, site_key
from detaudit.trace.writer import TraceWriter

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PLUGIN = os.path.join(os.path.dirname(os.path.dirname(_PACKAGE)), "pytest_detaudit") + os.sep
_FARTHEST = 60
"""The most frames above the running one that are searched for the user's line."""
_TORCH = re.compile(r"[/\\\\](?:site|dist)-packages[/\\\\]torch[/\\\\]")
_CALLING_BACK = re.compile(_TORCH.pattern + r"(?:utils[/\\\\]data|nn[/\\\\]modules|optim)[/\\\\]")
_INSTALLED = re.compile("(?:site|dist)-packages")
_IMPORTING = "<frozen importlib"
_TYPED = ("<ipython-input", "<stdin", "<console", "<doctest")
"""Beginnings of the file names of code that a user typed; such code has no file either."""
_EXAMPLES = os.path.join(_PACKAGE, "examples") + os.sep


class CodeOwner(Enum):
    """Who wrote the code of a file."""

    USER = "user"
    LIBRARY = "library"
    STANDARD = "standard library"
    MACHINERY = "machinery"
    """torch, numpy's core, detaudit and its plugin: code that carries out the user's line and never is that
    line."""
    CALLING_BACK = "calling back"
    """The parts of torch that call code of the program: data sets, modules, optimizers."""
    GENERATED = "generated"
    """Code without a file, made at run time by a library or a decorator: treated as if it were not there."""


class Sites:
    """Finds the user's line by walking up the stack; remembers what it found.

    `program` is the folder of an installed package whose code counts as the user's own.
    """

    def __init__(self, program: str | None = None) -> None:
        self._machinery: tuple[str, ...] = ()
        self._program = () if program is None else (program + os.sep,)
        paths = sysconfig.get_paths()
        self._library = tuple({paths["stdlib"] + os.sep, paths["platstdlib"] + os.sep})
        self._owners: dict[int, CodeOwner] = {}
        """The owner of each code object, by its address."""
        self._codes: list[CodeType] = []
        """Keeps those code objects alive, so that no address is used again."""
        self._keys: dict[tuple[int, int, int, int], bytes] = {}
        self._sites: dict[bytes, Site] = {}
        self._writer: TraceWriter | None = None

    def add_machinery(self, folder: str) -> None:
        """Name a folder whose code is never a site: torch's, wherever it was installed."""
        self._machinery = (*self._machinery, folder)

    def announce_to(self, writer: TraceWriter | None) -> None:
        """Announce all sites, those known already and those to come, to a trace; None: to none yet."""
        self._writer = writer
        if writer is not None:
            for key, site in self._sites.items():
                writer.add_site(key, site)

    def known(self, key: bytes) -> Site | None:
        """Return the line that a key stands for; None where no line is known."""
        return self._sites.get(key)

    def here(self, known: int = 0, site: bytes = NO_SITE) -> bytes:
        """Return the key of the innermost user line on the stack of the calling thread.

        Where no user code is on the stack (a hook in an engine thread), the innermost library line
        is taken; without that either, NO_SITE. `known` is the `id` of a frame on the stack whose line was
        found before, `site`: from there on, nothing needs to be looked at again.
        """
        return self.above(sys._getframe(1), known, site)

    def above(self, frame: FrameType | None, known: int = 0, site: bytes = NO_SITE) -> bytes:
        """Return the key of the innermost user line, as `here` does, from `frame` upwards."""
        library: FrameType | None = None
        standard: FrameType | None = None
        owners, machinery, calling_back = self._owners, CodeOwner.MACHINERY, CodeOwner.CALLING_BACK
        while frame is not None:
            if id(frame) == known and library is None and standard is None:
                return site
            code = frame.f_code
            # Done for each operator: no call for what is known.
            owner = owners.get(id(code)) or self._owner(code)
            if owner is machinery or owner is calling_back:
                frame = frame.f_back
                continue
            if owner is CodeOwner.USER:
                # A library that uses Python's own is the one to name.
                return self._key(frame, library or standard)
            if owner is CodeOwner.LIBRARY and library is None:
                library = frame
            elif owner is CodeOwner.STANDARD and standard is None:
                standard = frame
            frame = frame.f_back
        inner = library or standard
        return NO_SITE if inner is None else self._key(inner, None)

    def asked_by_program(self, frame: FrameType | None, *, through_standard: bool = False) -> bool:
        """Say whether a frame works for the program: the user's own, or a library's that the user called.

        Not so where Python's own library asks for itself (unless `through_standard`), nor where the import
        of a module lies between, or torch: but for those parts that call what the program has given them.
        """
        leading, owners = True, self._owners
        for _ in range(_FARTHEST):
            if frame is None:
                return False
            code = frame.f_code
            # Asked at every set that a library loops over: no call for what is known.
            owner = owners.get(id(code)) or self._owner(code)
            if owner is CodeOwner.USER:
                return True
            if owner is CodeOwner.GENERATED:
                # A dataclass has its generated methods called by wrappers of the standard library.
                leading, frame = False, frame.f_back
                continue
            if owner is CodeOwner.STANDARD and leading and not through_standard:
                return False
            if owner is CodeOwner.CALLING_BACK and (leading or WORKER_FILE.search(code.co_filename)):
                # A worker that was spawned has no line of the program's below it.
                return not leading
            if owner is CodeOwner.MACHINERY and (leading or not code.co_filename.startswith(_PACKAGE)):
                return False
            leading = leading and owner is not CodeOwner.LIBRARY
            frame = frame.f_back
        return False

    def is_program(self, frame: FrameType | None) -> bool:
        """Say whether a frame runs code of the user's own."""
        return frame is not None and self._owner(frame.f_code) is CodeOwner.USER

    def given_by_program(self, frame: FrameType | None, item: object) -> bool:
        """Say whether a frame carries out a call that the user's line made with this very object."""
        called: FrameType | None = None
        owners = self._owners
        for _ in range(_FARTHEST):
            if frame is None:
                break
            owner = owners.get(id(frame.f_code)) or self._owner(frame.f_code)
            if owner is CodeOwner.USER:
                break
            if owner is CodeOwner.MACHINERY and frame.f_code.co_filename.startswith(_IMPORTING):
                # Nobody hands anything to a module that is being loaded.
                return False
            called, frame = frame, frame.f_back
        return frame is not None and called is not None and any(one is item for one in _arguments(called))

    def library_frames(self, frame: FrameType | None) -> Iterator[FrameType]:
        """Walk up from a frame to the user's line, and give the frames of libraries on the way."""
        for _ in range(_FARTHEST):
            if frame is None:
                return
            owner = self._owner(frame.f_code)
            if owner is CodeOwner.USER:
                return
            if owner is CodeOwner.LIBRARY:
                yield frame
            frame = frame.f_back

    def beginning(self, code: CodeType) -> bytes:
        """Return the key of the line on which code of the program begins; NO_SITE for other code."""
        site = self.definition(code)
        return NO_SITE if site is None else self._announced(site)

    def definition(self, code: CodeType) -> Site | None:
        """Return the line on which a piece of code begins; None for code that is not the user's."""
        if self._owner(code) is not CodeOwner.USER:
            return None
        file, line = code.co_filename, code.co_firstlineno
        return Site(file, line, code.co_qualname, linecache.getline(file, line).strip())

    def _owner(self, code: CodeType) -> CodeOwner:
        owner = self._owners.get(id(code))
        if owner is None:
            owner = self._owners[id(code)] = self._classify(code.co_filename)
            self._codes.append(code)
        return owner

    def _classify(self, file: str) -> CodeOwner:
        if file.startswith(_EXAMPLES):
            return CodeOwner.USER
        frozen = file.startswith("<frozen")
        if frozen and not file.startswith(("<frozen importlib", "<frozen zipimport")):
            return CodeOwner.STANDARD
        of_machinery = file.startswith(("<eval_with_key>", "<__array_function__"))
        own = (_PACKAGE, _PLUGIN, *self._machinery)
        if frozen or of_machinery or file.startswith(own) or _TORCH.search(file) or _is_compiled(file):
            return CodeOwner.CALLING_BACK if _CALLING_BACK.search(file) else CodeOwner.MACHINERY
        if file.startswith("<"):
            return CodeOwner.USER if _is_typed(file) else CodeOwner.GENERATED
        if file.startswith(self._program):
            return CodeOwner.USER
        return self._installed(file)

    def _installed(self, file: str) -> CodeOwner:
        """Tell libraries and the standard library, below which they often lie, from the user's own files."""
        if _INSTALLED.search(file):
            return CodeOwner.LIBRARY
        return CodeOwner.STANDARD if file.startswith(self._library) else CodeOwner.USER

    def _key(self, frame: FrameType, library: FrameType | None) -> bytes:
        code, line = frame.f_code, frame.f_lineno
        library_code = 0 if library is None else id(library.f_code)
        identity = (id(code), line, library_code, 0 if library is None else library.f_lineno)
        key = self._keys.get(identity)
        if key is None:
            # Both code objects are kept alive, so their addresses are not used again.
            key = self._keys[identity] = self._announced(_site(frame, library))
        return key

    def _announced(self, site: Site) -> bytes:
        key = site_key(site)
        if key not in self._sites:
            self._sites[key] = site
            if self._writer is not None:
                self._writer.add_site(key, site)
        return key


def _is_compiled(file: str) -> bool:
    """Say whether torch.compile generated the code; torch sets the variable unless the user has done so."""
    folder = os.environ.get("TORCHINDUCTOR_CACHE_DIR") if GENERATING in sys.modules else None
    return folder is not None and file.startswith(folder + os.sep)


def _is_typed(file: str) -> bool:
    """Say whether a user typed the code: at a prompt, in a notebook, or behind `python -c`."""
    return file.startswith(_TYPED) or (file == "<string>" and sys.argv[:1] == ["-c"])


def _arguments(frame: FrameType) -> Iterator[object]:
    """Return the arguments of a function's call, as far as its variables still hold them."""
    code = frame.f_code
    has_rest, has_named_rest = (
        bool(code.co_flags & inspect.CO_VARARGS),
        bool(code.co_flags & inspect.CO_VARKEYWORDS),
    )
    plain = code.co_argcount + code.co_kwonlyargcount
    values = frame.f_locals
    for number, name in enumerate(code.co_varnames[: plain + has_rest + has_named_rest]):
        value = values.get(name)
        if number < plain:
            yield value
        elif isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, tuple):
            yield from value


def _site(frame: FrameType, library: FrameType | None) -> Site:
    code, line = frame.f_code, frame.f_lineno
    through = ""
    if library is not None:
        inner = library.f_code
        through = f"{inner.co_filename}:{library.f_lineno} in {inner.co_name}"
    text = linecache.getline(code.co_filename, line, frame.f_globals).strip()
    return Site(code.co_filename, line, code.co_name, text, through)
