"""Questions that do not wait: whether a queue has something, an event is set, a thread or a task is done.

Where another thread gives the answer, timing decides it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from detaudit.model.ledger import Act, EntryPair, Fact
from detaudit.sources.patching import replace_method
from detaudit.sources.taps import Asked, Taps
from detaudit.sources.turns import Turns

SCHEDULE = "thread-schedule"
"""The source that decides the answers."""
QUEUE, FLAG = "queue", "flag"
"""The kinds of things that a program asks about."""

_POLLS = {
    "queue": (
        ("Queue", "empty", True, QUEUE),
        ("Queue", "full", True, QUEUE),
        ("Queue", "qsize", 0, QUEUE),
        ("Queue", "get_nowait", None, QUEUE),
    ),
    "threading": (
        ("Event", "is_set", False, FLAG),
        ("Event", "wait", False, FLAG),
        ("Thread", "is_alive", True, FLAG),
    ),
    "concurrent.futures._base": (("Future", "done", False, FLAG),),
}
"""By module: type, method, the answer "not yet" (None: an error says so), and what is asked about."""


def tap_polls(taps: Taps) -> None:
    """Note the answers, at the lines that ask."""
    for name, polls in _POLLS.items():
        taps.when_imported(name, lambda module, polls=polls: _tap_module(taps, module, polls))  # type: ignore[misc]  # bound early


def _tap_module(taps: Taps, module: Any, polls: Any) -> None:
    for kind, method, not_yet, about in polls:
        operation = f"{module.__name__.removesuffix('._base')}.{kind}.{method}"

        def ask(
            original: Any,
            *args: Any,
            operation: str = operation,
            not_yet: int | None = not_yet,
            about: str = about,
            **kwargs: Any,
        ) -> Any:
            try:
                value = original(*args, **kwargs)
            except Exception as error:
                note_answer(taps, operation, about, there=not _is_empty(error))
                raise
            note_answer(taps, operation, about, there=not_yet is None or value is not not_yet)
            return value

        taps.method(getattr(module, kind), method, ask, asked_by=Asked.PROGRAM, calls_program=True)


def note_answer(taps: Taps, operation: str, about: str, *, there: bool) -> None:
    """Note whether what was asked for was there."""
    act = Act.FINDS if there else Act.FINDS_NOTHING
    taps.note(SCHEDULE, operation, there, Fact(act, about=about))


def hand_over_at_polls(taps: Taps, turns: Turns) -> None:
    """Let other threads go on where the program asks and gets no answer yet, or it may ask without end."""
    for name, polls in _POLLS.items():
        taps.when_imported(name, lambda module, polls=polls: _hand_over(turns, module, polls))  # type: ignore[misc]  # bound early


def _hand_over(turns: Turns, module: Any, polls: Any) -> None:
    for kind, method, not_yet, _ in polls:
        if method != "wait":
            replace_method(getattr(module, kind), method, _asking(turns, module.__file__, not_yet))
    if hasattr(module, "Queue"):
        replace_method(module.Queue, "get", _asking(turns, module.__file__, None))


def _asking(turns: Turns, file: str, not_yet: int | None) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def ask(*args: Any, **kwargs: Any) -> Any:
            within = sys._getframe(1).f_code.co_filename == file
            try:
                value = original(*args, **kwargs)
            except Exception as error:
                if _is_empty(error) and not within:
                    turns.poll()
                raise
            if value is not_yet and not_yet is not None and not within:
                turns.poll()
            return value

        return ask

    return make


def _is_empty(error: Exception) -> bool:
    return type(error).__name__ == "Empty"


def decides(pair: EntryPair, about: str) -> bool:
    """Say whether one run got the answer "here it is" more often, and so took another course."""
    is_poll = pair.entry.act is Act.FINDS and pair.entry.fact.about == about
    return is_poll and pair.count_differs
