"""Edits of the arguments of a call: set one, add one, drop one, with the commas and comments around them."""

from __future__ import annotations

import ast

from detaudit.diagnose.patching.source import Edit, Source


def keyword(call: ast.Call, name: str) -> ast.keyword | None:
    """Find the keyword of that name in a call."""
    return next((one for one in call.keywords if one.arg == name), None)


def is_none(node: ast.expr) -> bool:
    """Whether an expression is `None`, written out."""
    return isinstance(node, ast.Constant) and node.value is None


def set_keyword(source: Source, call: ast.Call, name: str, text: str) -> list[Edit] | None:
    """Give a call a keyword that it has not, or has as None; None if it has it otherwise."""
    present = keyword(call, name)
    if present is not None:
        return [source.replace(present.value, text)] if is_none(present.value) else None
    return add_argument(source, call, f"{name}={text}")


def add_argument(source: Source, call: ast.Call, text: str) -> list[Edit] | None:
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


def drop_keyword(source: Source, call: ast.Call, one: ast.keyword) -> list[Edit]:
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
