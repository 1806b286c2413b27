"""Show the page for a cause (what it is, how it shows, what to change) or for a topic.

Where the output is not a terminal, lines are 100 wide, code is indented, and no Markdown is left.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import TYPE_CHECKING, TextIO

from detaudit.cli.columns import print_table
from detaudit.errors import EXIT_REPRODUCIBLE
from detaudit.pages.markdown import BULLET, BlockKind, PageBlock, blocks
from detaudit.pages.page import Page, causes, other_findings, page, topics
from detaudit.report.terminal import LOG_WIDTH, NARROW

if TYPE_CHECKING:
    import argparse

    from rich.console import Console
    from rich.text import Text

INDENT = 2
CODE_INDENT = 4
NAME_STYLE = "cyan"
CODE_STYLES = {("Keyword",): "bold", ("Literal", "String"): "green", ("Comment",): "magenta"}
"""Styles for code, in those of the terminal's own colours that can be read on black and on white."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the argument of this verb."""
    help_text = (
        "a cause, such as unseeded-numpy, or a topic, such as vary; without a name, all pages are listed"
    )
    parser.add_argument("page", metavar="NAME", nargs="?", help=help_text)


def run(arguments: argparse.Namespace) -> int:
    """Print the page, or the list of pages."""
    if arguments.page is None:
        print_lists(sys.stdout)
    else:
        print_page(page(arguments.page), sys.stdout)
    return EXIT_REPRODUCIBLE


def print_lists(file: TextIO, *, width: int | None = None) -> None:
    """Print each page's name with its summary, and how to read more."""
    console = _console(file, width)
    beside = max(map(len, causes())) + 2 * INDENT
    _print_list("Causes: why two runs of a training differ", causes(), beside, console)
    _print_list("Further faults: found by check --vary", other_findings(), beside, console)
    _print_list("Topics: how to use detaudit", topics(), beside, console)
    _print(_text("To read the page for one of them: `detaudit explain NAME`"), console)


def _print_list(title: str, names: tuple[str, ...], beside: int, console: Console) -> None:
    """Print names with their summaries; below each other where the terminal is narrow."""
    _print(_text(title, "bold"), console)
    for listed in map(page, names):
        name = " " * INDENT + listed.name
        if console.width < NARROW:
            _print(_text(name.strip(), "bold"), console, INDENT)
            _print(_text(listed.summary), console, 2 * INDENT)
        else:
            _print(_text(listed.summary), console, beside, name)


def print_page(shown: Page, file: TextIO, *, width: int | None = None) -> None:
    """Print a page."""
    console = _console(file, width)
    title, *rest = blocks(shown.text)
    _print_block(title, console)
    for before, block in pairwise([title, *rest]):
        if before.kind is not BlockKind.HEADING and not before.kind is block.kind is BlockKind.ITEM:
            console.print()
        _print_block(block, console)


def _print_block(block: PageBlock, console: Console) -> None:
    match block.kind:
        case BlockKind.TITLE | BlockKind.HEADING:
            _print(_text(block.text, "bold"), console)
        case BlockKind.TEXT:
            _print(_text(block.text), console, INDENT)
        case BlockKind.ITEM:
            _print(_text(block.text), console, INDENT + len(BULLET), " " * INDENT + BULLET)
        case BlockKind.TABLE:
            print_table(block.text, console, INDENT, _text)
        case BlockKind.CODE:
            indent = _code_indent(block.text, console.width)
            for line in _code(block, console).split(allow_blank=True):
                _print(line, console, indent)


def _code_indent(code: str, width: int) -> int:
    """Choose the indent of a piece of code: less than usual if its longest line fits only then."""
    room = width - max(map(len, code.splitlines()), default=0)
    return min(CODE_INDENT, room) if room >= 0 else CODE_INDENT


def _print(text: Text, console: Console, indent: int = 0, label: str = "") -> None:
    """Print a text, cut to the lines that fit behind an indent, with a label before the first of them."""
    from rich.text import Text

    for line in text.wrap(console, max(10, console.width - indent)):
        line.rstrip()
        console.print(Text.assemble(label.ljust(indent) if line else "", line))
        label = ""


def _text(text: str, style: str = "") -> Text:
    """Make a text whose names, which stand between backquotes, have a colour instead."""
    from rich.text import Text

    parts = text.split("`")
    styled = [(part, NAME_STYLE if number % 2 else "") for number, part in enumerate(parts)]
    return Text.assemble(*styled, style=style)


def _code(block: PageBlock, console: Console) -> Text:
    """Make a text of code: Python in colours, on a terminal."""
    from rich.text import Text

    if not console.is_terminal or block.language != "python":
        return Text(block.text)
    from rich.style import Style
    from rich.syntax import ANSISyntaxTheme, Syntax

    theme = ANSISyntaxTheme({token: Style.parse(style) for token, style in CODE_STYLES.items()})
    code = Syntax(block.text, "python", theme=theme).highlight(block.text)
    code.rstrip()
    return code


def _console(file: TextIO, width: int | None) -> Console:
    """Make a console no wider than a page is written for: lines across a whole screen are hard to read."""
    # rich takes some 70 ms to import, which whoever prints nothing should not pay.
    from rich.console import Console

    console = Console(file=file, width=width or (None if file.isatty() else LOG_WIDTH), highlight=False)
    console.width = min(console.width, LOG_WIDTH)
    return console
