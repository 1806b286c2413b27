"""Refuse an audit within a run of another audit: a program could start itself without end.

A file that calls `detaudit.check(train)` at its top level does so again in each run that loads it for
`train`. It is loaded as far as that call, and no further: all that the function needs is there by then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.errors import UsageError

if TYPE_CHECKING:
    from detaudit.model.result import AuditResult

VARIABLE = "DETAUDIT_WITHIN"
"""Set in all processes of a run; names a folder that the audit reads."""

_BOOTSTRAP = "detaudit.run.bootstrap"
"""Imported by every Python of a run as it starts, and by nothing else."""

GIVEN = "given.json"
"""A file beside the arguments of a call: the answers that `given` had at that time."""

ASKED = "asked.txt"
"""A file in the folder of a run: lists the calls in it that asked for another audit."""

HINT = "audit the training function itself, or run the program that starts the audit without detaudit"
"""The advice for an audit within an audit."""

Function = tuple[str, str]
"""The names of a module and of a function in it; a script goes by the name of its file."""

Answers = dict[Function, list[str]]

_GIVEN: Answers = {}
"""The answers to calls of `detaudit.check` in this process, as JSON."""

_LOADING: list[_Loading] = []
"""The file that is being loaded for its functions, if one is."""


class Reached(BaseException):
    """The call is reached that audits the function for which a file is loaded. No program is to catch it."""

    def __init__(self) -> None:
        super().__init__()
        self.modules = dict(sys.modules)
        """The modules loaded at this moment: an import that is broken off removes its modules."""


class _Loading:
    """The calls of `detaudit.check` in a file that is being loaded, as far as they are known."""

    def __init__(self, function: Function, answers: Answers) -> None:
        self.function = function
        self.answers = {asked: list(texts) for asked, texts in answers.items()}


def within(environment: Mapping[str, str], folder: str | Path) -> dict[str, str]:
    """Make the environment for a process of an audit, in which no other audit begins."""
    return {**environment, VARIABLE: str(Path(folder).absolute())}


def is_within() -> bool:
    """Say whether this process belongs to a run of an audit."""
    # A program may clear its environment; that it is recorded stays.
    return bool(os.environ.get(VARIABLE)) or _BOOTSTRAP in sys.modules


def refuse(what: str) -> None:
    """Raise UsageError in a process of a run: `what` wants to begin there, and must not."""
    if is_within():
        note(what)
        message = "this process belongs to a run of an audit, in which no other audit begins"
        raise UsageError("audit-within-audit", message, HINT)


def note(what: str) -> None:
    """Tell the audit what asked for another one."""
    try:
        with Path(os.environ[VARIABLE], ASKED).open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")
    except (KeyError, OSError):
        # The folder or its name may be gone; the answer to whoever asked says it as well.
        return


def asked_in(folder: Path) -> tuple[str, ...]:
    """List the calls that asked for another audit in the run that had this folder."""
    path = folder / ASKED
    return tuple(dict.fromkeys(path.read_text(encoding="utf-8").splitlines())) if path.exists() else ()


def remember(function: Function, result: AuditResult) -> None:
    """Keep an answer: a later audit loads the file again, and gives it where it was given."""
    from detaudit.model.codec import result_to_json
    from detaudit.model.version import VERSION

    _GIVEN.setdefault(function, []).append(result_to_json(result, VERSION))


def given() -> list[tuple[str, str, list[str]]]:
    """List the answers so far, in a form that JSON can hold."""
    return [(*function, texts) for function, texts in _GIVEN.items()]


@contextmanager
def loading(function: Function, answers: list[tuple[str, str, list[str]]]) -> Iterator[None]:
    """Load a file for a function in this block; `answers` is what `given` gave to whoever asked for this."""
    known = {(module, name): texts for module, name, texts in answers}
    _LOADING.append(_Loading(function, known))
    try:
        yield
    finally:
        _LOADING.pop()


def answer(function: Callable[..., object], *, at: str) -> AuditResult:
    """Answer a call of `detaudit.check` within a run, without starting anything.

    Returns the answer that the process which asked for this run has got already, otherwise an `unverified`
    answer. Raises Reached where the function is the one for which this file is loaded. `at` is the line of
    the call.
    """
    from detaudit.model.codec import result_from_json
    from detaudit.model.result import AuditResult, TargetSummary

    asked = (str(getattr(function, "__module__", "")), str(getattr(function, "__qualname__", function)))
    if _LOADING:
        texts = _LOADING[-1].answers.get(asked)
        if texts:
            return result_from_json(texts.pop(0), "an earlier answer")
        if asked == _LOADING[-1].function:
            raise Reached
    note(f"detaudit.check({asked[1]}) at {at}")
    reason = "no audit started: this process is itself a run of an audit, and the answer comes from there"
    return AuditResult.unanswered(reason, TargetSummary("callable", ":".join(asked)))


def in_words(asked: tuple[str, ...]) -> str:
    """Say that another audit was asked for in a run."""
    return f"the program asks for an audit itself ({asked[0]}), and a run starts no other audit"
