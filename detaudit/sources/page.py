"""The pages that explain what is found: a Markdown file for each, in `pages/`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, auto

from detaudit.errors import UsageError
from detaudit.model.cause import Cause

OTHER_FINDINGS = ("wrong-layer", "samples-mixed")
"""What `--vary` finds that is no cause of two runs under the same conditions."""

LIKENESS = 0.5
"""How like a label a wrong one must be to be taken for it: low enough for `numpy` to be recognised."""

FENCE = "```"
BULLET = "- "


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to say about a cause, or another finding."""

    cause: str
    summary: str
    """One sentence: why the runs differ."""
    text: str
    """The whole page, in Markdown."""


class Kind(Enum):
    """What a part of a page is."""

    TITLE = auto()
    HEADING = auto()
    TEXT = auto()
    ITEM = auto()
    CODE = auto()


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a page. Of its Markdown, only the backquotes around names are left."""

    kind: Kind
    text: str


def causes() -> tuple[str, ...]:
    """The labels of all causes; each has a page."""
    return tuple(cause.value for cause in Cause)


def other_findings() -> tuple[str, ...]:
    """The labels of findings that are no causes; each has a page."""
    return OTHER_FINDINGS


def labels() -> tuple[str, ...]:
    """All that have a page."""
    return causes() + OTHER_FINDINGS


def page(cause: str) -> Page:
    """Read the page of a cause or finding. Raises UsageError, with the nearest label, if there is none."""
    if cause not in labels():
        raise _unknown(cause)
    # Imported late: it imports `random` and more, before an audited program that has every source at hand.
    from importlib.resources import files

    text = files("detaudit.sources").joinpath("pages", f"{cause}.md").read_text(encoding="utf-8")
    _title, summary, *_rest = blocks(text)
    return Page(cause, summary.text, text)


def blocks(text: str) -> Iterator[Block]:
    """Take a page apart."""
    lines = iter([*text.splitlines(), ""])
    kind, words = Kind.TEXT, list[str]()
    for line in lines:
        is_item = line.startswith(BULLET)
        if words and (is_item or not line):
            yield Block(kind, " ".join(words))
            kind, words = Kind.TEXT, []
        if line.startswith(FENCE):
            yield Block(Kind.CODE, "\n".join(iter(lambda: next(lines), FENCE)))
        elif line.startswith("#"):
            marks, _, title = line.partition(" ")
            yield Block(Kind.TITLE if marks == "#" else Kind.HEADING, title)
        elif line:
            kind = Kind.ITEM if is_item else kind
            words.append(line.removeprefix(BULLET).strip())


def _unknown(cause: str) -> UsageError:
    nearest = get_close_matches(cause.lower(), labels(), n=1, cutoff=LIKENESS)
    hint = f"did you mean {nearest[0]}?" if nearest else "`detaudit explain` lists all causes"
    return UsageError("unknown-cause", f"there is no cause {cause!r}", hint)
