"""The taps of one process: they see where the program draws or reads, note it, and hold it fixed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from types import CodeType, FrameType, ModuleType
from typing import Any, Protocol

from xxhash import xxh3_64_digest, xxh3_64_intdigest

from detaudit.model.ledger import Fact
from detaudit.model.plan import Intervention
from detaudit.sources.imports import ImportWatch
from detaudit.sources.ledger import Ledger
from detaudit.sources.library_seeds import seed_advice
from detaudit.sources.numbering import Numbering
from detaudit.sources.patching import STAND_CODE, replace_class_method, replace_function, replace_method

Handler = Callable[..., Any]
"""Takes the original function, then its arguments; gives what the program is to get."""


class Asked(Enum):
    """Whose calls of a function concern a tap."""

    ANYONE = "anyone"
    PROGRAM = "the program"
    """The program, or a library on its behalf, but not Python's own library, nor torch."""
    OWN_CODE = "the program's own code"
    """The program itself, without a library on its behalf."""
    PROGRAM_THROUGH_STANDARD = "the program, through Python's own library"


class LineFinder(Protocol):
    """Finds the user's line: what `detaudit.record.sites` does."""

    def here(self) -> bytes:
        """Give the key of the innermost user line on the stack."""

    def beginning(self, code: CodeType) -> bytes:
        """Give the key of the line on which code of the program begins; empty for other code."""

    def library_frames(self, frame: FrameType | None) -> Iterator[FrameType]:
        """Give the frames of libraries between a frame and the user's line."""

    def asked_by_program(self, frame: FrameType | None, *, through_standard: bool = False) -> bool:
        """Say whether a frame works for the program: the answer of `Sites`."""

    def is_program(self, frame: FrameType | None) -> bool:
        """Say whether a frame runs code of the program itself."""

    def given_by_program(self, frame: FrameType | None, item: object) -> bool:
        """Say whether the program handed an object to the code that a frame is a part of."""


class Taps:
    """Puts taps in place, and is what they ask and tell."""

    def __init__(
        self,
        lines: LineFinder,
        ledger: Ledger,
        held: tuple[Intervention, ...] = (),
        perturbed: tuple[Intervention, ...] = (),
    ) -> None:
        self.lines = lines
        self.ledger = ledger
        self._held = {one.source: one for one in held}
        self._held_sites = {one.source: {bytes.fromhex(site) for site in one.sites} for one in held}
        self._perturbed = {one.source: one for one in perturbed}
        self.torch_seeded = False
        """Whether torch's default generator on the CPU was given a seed."""
        self.several_threads = False
        """Whether the program has started a thread, or made a pool of them."""
        self.imports = ImportWatch()
        self.numbering = Numbering()
        """Tells apart objects with equal content."""
        self._local = threading.local()
        self._process = "main"
        self._forks = 0
        self._count = 0
        self._beginnings: list[Callable[[], None]] = []
        self._advice: dict[bytes, str] = {}
        """The advice by the line that called the library."""
        os.register_at_fork(before=self._before_fork, after_in_child=self._after_fork)

    def when_imported(self, module: str, callback: Callable[[ModuleType], None]) -> None:
        """Call back once the program has imported a module."""
        self.imports.when_imported(module, callback)

    def holds(self, source: str, site: bytes | None = None) -> bool:
        """Say whether a source is held fixed: everywhere, or at this line."""
        if source not in self._held:
            return False
        sites = self._held_sites[source]
        return not sites or site is None or site in sites

    def perturbation_of(self, source: str) -> str | None:
        """Tell by how much a source is perturbed; None if it is not."""
        one = self._perturbed.get(source)
        return None if one is None else one.amount

    def amount_in_words(self, source: str) -> str:
        """Give the amount at which a source is held, where that is no number; empty if there is none."""
        one = self._held.get(source)
        return "" if one is None else one.amount

    def amount(self, source: str, default: float) -> float:
        """Give the amount at which a source is held."""
        one = self._held.get(source)
        return float(one.amount) if one is not None and one.amount else default

    def function(
        self,
        owner: Any,
        name: str,
        handler: Handler,
        *,
        asked_by: Asked = Asked.ANYONE,
        calls_program: bool = False,
    ) -> None:
        """Tap a function: `handler(original, *args, **kwargs)` is called in its place.

        `asked_by`: whose calls concern the handler; others go straight to the original.
        `calls_program`: the original may run code of the program, which other taps are to see; what the
        original of any other tap does within itself passes unseen.
        """

        def make(original: Any) -> Callable[..., Any]:
            return self.tapped(original, handler, asked_by, calls_program=calls_program)

        replace_function(owner, name, make)

    def method(
        self,
        owner: type,
        name: str,
        handler: Handler,
        *,
        asked_by: Asked = Asked.ANYONE,
        calls_program: bool = False,
    ) -> None:
        """Put a handler in the place of a method of a type, which may be written in C: see `function`."""

        def make(original: Any) -> Callable[..., Any]:
            return self.tapped(original, handler, asked_by, calls_program=calls_program)

        replace_method(owner, name, make)

    def class_method(self, owner: type, name: str, handler: Handler) -> None:
        """Put a handler in the place of a class method; the handler gets the subclass before the arguments.

        The arguments may be made by the program while the original uses them; other taps see that.
        """
        replace_class_method(owner, name, lambda original: self.tapped(original, handler, calls_program=True))

    def retract(self, source: str, operation: str, fact: Fact) -> None:
        """Take back the calling thread's last note of that kind at this line, if there is one."""
        self.ledger.retract(source, operation, self.lines.here(), fact)

    def note(self, source: str, operation: str, value: object, fact: Fact, *, amount: int = 1) -> bytes:
        """Note a call with the value that it gave, at the user's line, which is returned."""
        site = self.lines.here()
        content, shown = _content(value)
        digest = xxh3_64_digest(content)
        self.ledger.note(source, operation, site, digest, fact, shown=shown, amount=amount)
        return site

    def seed_advice(self) -> str:
        """Say how the library's call that draws at this moment can be given a seed; empty where none does."""
        key = self.lines.here()
        advice = self._advice.get(key)
        if advice is None:
            advice = self._advice[key] = seed_advice(self.lines.library_frames(sys._getframe(1)))
        return advice

    def fixed_number(self, bits: int = 32) -> int:
        """Give the next number of a fixed stream that each process has for itself."""
        self._count += 1
        words = -(-bits // 64)
        text = f"{self._process}:{self._count}"
        number = sum(xxh3_64_intdigest(f"{text}:{word}".encode()) << (64 * word) for word in range(words))
        return number & ((1 << bits) - 1)

    def fixed_bytes(self, size: int) -> bytes:
        """Give the next bytes of the stream of `fixed_number`."""
        return self.fixed_number(size * 8).to_bytes(size, "little")

    @property
    def holds_any(self) -> bool:
        """Whether any source is held fixed."""
        return bool(self._held)

    def at_each_beginning(self, begin: Callable[[], None]) -> None:
        """Do this now, and whenever a task begins that any process may carry out."""
        self._beginnings.append(begin)
        begin()

    def begin_task(self, name: str) -> None:
        """Start the fixed numbers anew, and what is held by them: by the task, not by its process."""
        self._process, self._count = name, 0
        # That it is seeded here is not to be noted as what the program does.
        self._local.inside = True
        try:
            for begin in self._beginnings:
                begin()
        finally:
            self._local.inside = False

    @property
    def process(self) -> str:
        """What this process is called: the same in every run, whatever its number."""
        return self._process

    def tapped(
        self,
        original: Any,
        handler: Handler,
        asked_by: Asked = Asked.ANYONE,
        *,
        calls_program: bool = False,
    ) -> Callable[..., Any]:
        """Make the function that is called in the place of `original`: see `function`."""

        def passing(*args: Any, **kwargs: Any) -> Any:
            local = self._local
            if getattr(local, "inside", False):
                return original(*args, **kwargs)
            local.inside = True
            try:
                if asked_by is not Asked.ANYONE and not self._concerns(asked_by):
                    return original(*args, **kwargs)
                local.inside = not calls_program
                return handler(original, *args, **kwargs)
            finally:
                local.inside = False

        return passing

    def _concerns(self, asked_by: Asked) -> bool:
        # Two frames up is the caller, or what stands in for a builtin.
        frame = sys._getframe(2)
        caller = _behind_taps(frame.f_back if frame.f_code is STAND_CODE else frame)
        if asked_by is Asked.OWN_CODE:
            return self.lines.is_program(caller)
        through = asked_by is Asked.PROGRAM_THROUGH_STANDARD
        return self.lines.asked_by_program(caller, through_standard=through)

    def _before_fork(self) -> None:
        self._forks += 1

    def _after_fork(self) -> None:
        self._process, self._forks, self._count = f"{self._process}.{self._forks}", 0, 0
        self._local = threading.local()
        self.ledger.forget()


_PASSING_CODE = next(
    one for one in Taps.tapped.__code__.co_consts if isinstance(one, CodeType) and one.co_name == "passing"
)
"""The code that runs between a caller and a handler."""


def _behind_taps(frame: FrameType | None) -> FrameType | None:
    """Give the frame that called a function which is tapped twice, where another tap's handler did that."""
    while frame is not None and frame.f_back is not None and frame.f_back.f_code is _PASSING_CODE:
        outer = frame.f_back.f_back
        frame = outer.f_back if outer is not None and outer.f_code is STAND_CODE else outer
    return frame


def _content(value: Any) -> tuple[bytes, str]:
    """Give the bytes of a value for a digest, and the text that a reader is shown of it."""
    if type(value).__module__ == "numpy" and hasattr(value, "tobytes"):
        dtype = getattr(value, "dtype", None)
        return value.tobytes(), f"{dtype}{list(getattr(value, 'shape', ()))}"
    text = repr(value)
    return text.encode("utf-8", "backslashreplace"), text
