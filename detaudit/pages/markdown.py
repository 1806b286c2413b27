"""Take a page apart into blocks: the part of Markdown that the pages use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

FENCE = "```"
BULLET = "- "
COMMENT = "<!--"
"""Begins a line that no reader sees: a mark for the tests."""
COLUMN = "|"


class BlockKind(Enum):
    """Say what a block is."""

    TITLE = auto()
    HEADING = auto()
    TEXT = auto()
    ITEM = auto()
    CODE = auto()
    TABLE = auto()


@dataclass(frozen=True, slots=True)
class PageBlock:
    """Hold a part of a page, with the backquotes around its names and the bars of its tables."""

    kind: BlockKind
    text: str
    language: str = ""
    """The word behind the fence of a piece of code: `python`."""


def blocks(text: str) -> Iterator[PageBlock]:
    """Take a page apart."""
    lines = iter([*text.splitlines(), ""])
    kind, words = BlockKind.TEXT, list[str]()
    for line in lines:
        begins = _begun_by(line)
        if words and (not line or begins is BlockKind.ITEM):
            yield _block(kind, words)
            kind, words = BlockKind.TEXT, []
        if line.startswith(FENCE):
            code = "\n".join(iter(lambda: next(lines), FENCE))
            yield PageBlock(BlockKind.CODE, code, line.removeprefix(FENCE))
        elif line.startswith("#"):
            marks, _, title = line.partition(" ")
            yield PageBlock(BlockKind.TITLE if marks == "#" else BlockKind.HEADING, title)
        elif line and not line.startswith(COMMENT):
            kind = begins or kind
            words.append(line.removeprefix(BULLET).strip())


def _begun_by(line: str) -> BlockKind | None:
    """Recognize the first line of an item or of a table; None for any other line."""
    if line.startswith(BULLET):
        return BlockKind.ITEM
    return BlockKind.TABLE if line.startswith(COLUMN) else None


def _block(kind: BlockKind, words: list[str]) -> PageBlock:
    return PageBlock(kind, ("\n" if kind is BlockKind.TABLE else " ").join(words))


@dataclass(frozen=True, slots=True)
class PageTable:
    """Hold the cells of a table."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    to_the_right: tuple[bool, ...]
    """For each column whether its cells stand at the right."""


def table(text: str) -> PageTable:
    """Take a table apart, of which each row has a line and begins and ends with a bar."""
    heads, rule, *rows = (
        [cell.strip() for cell in line.strip(COLUMN).split(COLUMN)] for line in text.splitlines()
    )
    return PageTable(tuple(heads), tuple(map(tuple, rows)), tuple(mark.endswith(":") for mark in rule))
