"""A file of source code, its syntax tree, and edits by position: what is not edited stays byte for byte."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Node = TypeVar("Node", bound=ast.AST)
Located = ast.expr | ast.stmt | ast.keyword

_LINE_END = re.compile(r"\r\n|\r|\n")
"""The ends of lines in Python source; `str.splitlines` splits at further characters."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters `start` to `end` of a text are replaced by another text."""

    start: int
    end: int
    text: str


class SourceFile:
    """A source file as its author wrote it, and as Python reads it. Raises SyntaxError if that fails."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        ends = [match.end() for match in _LINE_END.finditer(text)]
        self._starts = [0, *ends]
        self._parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @classmethod
    def read(cls, path: Path) -> SourceFile | None:
        """Read a file; None if it is not UTF-8 or not Python."""
        try:
            return cls(path.read_bytes().decode())
        except (OSError, UnicodeDecodeError, SyntaxError, ValueError):
            return None

    @property
    def newline(self) -> str:
        """How the file ends its lines."""
        first = _LINE_END.search(self.text)
        return first.group() if first else "\n"

    def start(self, node: Located) -> int:
        """Return where a node starts, decorators left out."""
        return self._offset(node.lineno, node.col_offset)

    def end(self, node: Located) -> int:
        """Return where a node ends."""
        return self._offset(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)

    def code(self, node: Located) -> str:
        """Return the text of a node."""
        return self.text[self.start(node) : self.end(node)]

    def line_start(self, offset: int) -> int:
        """Return where the line starts that a position is on."""
        return max(start for start in self._starts if start <= offset)

    def line_end(self, offset: int) -> int:
        """Return where the line of a position ends, before its line break."""
        found = _LINE_END.search(self.text, offset)
        return found.start() if found else len(self.text)

    def next_line(self, offset: int) -> int:
        """Return where the line after that of a position starts, or the end of the text."""
        return next((start for start in self._starts if start > offset), len(self.text))

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return the node that contains a node; None for the module."""
        return self._parents.get(node)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield all nodes that contain a node, from the inside out."""
        above = self.parent(node)
        while above is not None:
            yield above
            above = self.parent(above)

    def all(self, kind: type[Node]) -> list[Node]:
        """List all nodes of a kind, in the order of the text."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, kind)]
        return sorted(found, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))

    def calls_at(self, line: int) -> list[ast.Call]:
        """List the calls that a traceback would place on a line; if there are none, calls that span it."""
        calls = self.all(ast.Call)
        exact = [call for call in calls if line in (call.lineno, call.func.end_lineno)]
        return exact or [call for call in calls if call.lineno <= line <= (call.end_lineno or 0)]

    def replace(self, node: Located, text: str) -> Edit:
        """Put a text in a node's place."""
        return Edit(self.start(node), self.end(node), text)

    def wrap(self, node: Located, before: str, after: str) -> list[Edit]:
        """Put a text before a node and one after it."""
        start, end = self.start(node), self.end(node)
        return [Edit(start, start, before), Edit(end, end, after)]

    def edited(self, edits: Iterable[Edit]) -> str | None:
        """Return the text after some edits; None if they overlap, change nothing, or give no Python."""
        pieces, position = [], 0
        for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
            if edit.start < position:
                return None
            pieces += [self.text[position : edit.start], edit.text]
            position = edit.end
        text = "".join([*pieces, self.text[position:]])
        try:
            ast.parse(text)
        except SyntaxError:
            return None
        return text if text != self.text else None

    def _offset(self, line: int, column: int) -> int:
        """Convert a position of the syntax tree, which counts bytes, to one in characters."""
        start = self._starts[line - 1]
        if self.text.isascii():
            return start + column
        rest = self.text[start : self.line_end(start)]
        return start + len(rest.encode()[:column].decode())


def keyword(call: ast.Call, name: str) -> ast.keyword | None:
    """Find the keyword of that name in a call."""
    return next((one for one in call.keywords if one.arg == name), None)


def is_none(node: ast.expr) -> bool:
    """Whether an expression is `None`, written out."""
    return isinstance(node, ast.Constant) and node.value is None


def set_keyword(source: SourceFile, call: ast.Call, name: str, text: str) -> list[Edit] | None:
    """Give a call a keyword that it has not, or has as None; None if it has it otherwise."""
    present = keyword(call, name)
    if present is not None:
        return [source.replace(present.value, text)] if is_none(present.value) else None
    return add_argument(source, call, f"{name}={text}")


def add_argument(source: SourceFile, call: ast.Call, text: str) -> list[Edit] | None:
    """Add an argument at the end of a call; None where others may follow unseen."""
    arguments: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    if any(one.arg is None for one in call.keywords):
        return None
    close = source.end(call) - 1
    if not arguments:
        return [Edit(close, close, text)]
    last = max(source.end(one) for one in arguments)
    if last > close:
        # A generator expression without brackets of its own.
        return None
    place = last
    for position in _code(source.text, last, close):
        if source.text[position] == ")":
            place = position + 1
    return [Edit(place, place, f", {text}")]


def drop_keyword(source: SourceFile, call: ast.Call, one: ast.keyword) -> list[Edit]:
    """Take a keyword out of a call, and a comma with it."""
    text, start, end = source.text, source.start(one), source.end(one)
    line_start, line_end = source.line_start(start), source.line_end(end)
    followed = [position for position in _code(text, end, source.end(call) - 1) if text[position] == ","]
    alone = not text[line_start:start].strip()
    if followed:
        end = followed[0] + 1
        if alone and not text[end:line_end].strip():
            return [Edit(line_start, source.next_line(end), "")]
        return [Edit(start, end + len(text[end:line_end]) - len(text[end:line_end].lstrip(" ")), "")]
    if alone:
        # The comma before it is a trailing one now, and a comment after that stays.
        rest = text[end:line_end].strip()
        return [Edit(start, end, "") if rest else Edit(line_start, source.next_line(end), "")]
    before = text[:start].rstrip()
    return [Edit(len(before) - 1 if before.endswith(",") else len(before), end, "")]


def _code(text: str, start: int, end: int) -> list[int]:
    """List the positions between two arguments, or after the last one, that are not in a comment."""
    found, comment = [], False
    for position in range(start, end):
        comment = text[position] not in "\r\n" and (comment or text[position] == "#")
        if not comment:
            found.append(position)
    return found
