"""Print a table of a page in columns that fit the terminal, or row by row where no columns fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from detaudit.pages.markdown import table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

GAPS = (2, 1)
"""Blanks between two columns: the first number that fits."""
HEAD_STYLE = "bold"


def print_table(text: str, console: Console, indent: int, styled: Callable[[str, str], Text]) -> None:
    """Print a table behind an indent; `styled` makes a text in a style of a cell."""
    found = table(text)
    room = console.width - indent
    heads = [styled(cell, HEAD_STYLE) for cell in found.heads]
    rows = [[styled(cell, "") for cell in row] for row in found.rows]
    columns = list(zip(heads, *rows, strict=True))
    for gap in GAPS:
        widths = fitting(
            [[cell.plain for cell in column] for column in columns], room - gap * (len(columns) - 1)
        )
        if widths is not None:
            lines = _RowPrinter(console, widths, found.to_the_right, indent, gap)
            for row in (heads, *rows):
                lines.print(row)
            return
    _print_stacked(heads, rows, console, indent)


def fitting(columns: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Choose the widths of columns that fit the room together; None if a word would have to be cut."""
    least = [max(map(_longest_word, column)) for column in columns]
    widths = [max(map(len, column)) for column in columns]
    if sum(least) > room:
        return None
    while sum(widths) > room:
        shrinkable = [number for number, width in enumerate(widths) if width > least[number]]
        widths[max(shrinkable, key=widths.__getitem__)] -= 1
    return widths


def _longest_word(cell: str) -> int:
    """Measure what must stay on one line: a word, or all of a cell that has numbers only."""
    words = cell.split() if re.search("[A-Za-z]", cell) else [cell]
    return max(map(len, words), default=0)


class _RowPrinter:
    """Prints rows in columns."""

    def __init__(
        self, console: Console, widths: list[int], to_the_right: Sequence[bool], indent: int, gap: int
    ) -> None:
        self._console = console
        self._columns = list(zip(widths, to_the_right, strict=True))
        self._indent, self._gap = indent, gap

    def print(self, row: Sequence[Text]) -> None:
        """Print a row; each cell has as many lines as it takes."""
        from rich.text import Text

        cells = [cell.wrap(self._console, width) for cell, (width, _) in zip(row, self._columns, strict=True)]
        for parts in zip_longest(*cells, fillvalue=Text()):
            aligned = [
                self._aligned(part, *column) for part, column in zip(parts, self._columns, strict=True)
            ]
            line = Text(" " * self._indent) + Text(" " * self._gap).join(aligned)
            line.rstrip()
            self._console.print(line)

    @staticmethod
    def _aligned(part: Text, width: int, to_the_right: bool) -> Text:  # noqa: FBT001 - from a tuple
        """Fill a line of a cell up to the width of its column."""
        part = part.copy()
        part.rstrip()
        part.align("right" if to_the_right else "left", width)
        return part


def _print_stacked(
    heads: Sequence[Text], rows: Sequence[Sequence[Text]], console: Console, indent: int
) -> None:
    """Print each row as its first cell, and below it the others, each behind its head."""
    from rich.text import Text

    for first, *others in rows:
        title = first.copy()
        title.stylize(HEAD_STYLE)
        _print_wrapped(title, console, indent)
        for head, cell in zip(heads[1:], others, strict=True):
            if cell.plain:
                _print_wrapped(Text(f"{head.plain}: ") + cell, console, 2 * indent)


def _print_wrapped(text: Text, console: Console, indent: int) -> None:
    from rich.text import Text

    for line in text.wrap(console, max(10, console.width - indent)):
        line.rstrip()
        console.print(Text(" " * indent) + line)
