"""Print the first answer on a terminal, or into a log.

Every colour stands beside a word that says the same. Where the output is not a terminal, lines are 100 wide.
"""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, TextIO

from detaudit.report.lines import Line, Tone
from detaudit.report.summary import summarize

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from detaudit.model.result import AuditResult

LOG_WIDTH = 100
NARROW = 60
"""Below this many columns a label stands above its text instead of beside it."""

LABEL_WIDTH = 20
STYLES = {
    Tone.GOOD: "bold green",
    Tone.BAD: "bold red",
    Tone.UNSURE: "bold yellow",
    Tone.PLAIN: "",
    Tone.CODE: "cyan",
}


def print_result(result: AuditResult, file: TextIO, *, width: int | None = None) -> None:
    """Print the first answer."""
    # rich takes some 70 ms to import, which whoever prints nothing should not pay.
    from rich.console import Console

    is_terminal = file.isatty()
    console = Console(file=file, width=width or (None if is_terminal else LOG_WIDTH), highlight=False)
    print_lines(summarize(result), console)


def text_of(result: AuditResult) -> str:
    """Give the first answer as text for a log, without colour whatever the environment asks for."""
    from rich.console import Console

    file = StringIO()
    console = Console(file=file, width=LOG_WIDTH, highlight=False, force_terminal=False, color_system=None)
    print_lines(summarize(result), console)
    return file.getvalue()


def print_lines(lines: list[Line], console: Console) -> None:
    """Print lines, the first as a headline."""
    headline, *rest = lines
    console.print(
        _text(f"{headline.label}  ", STYLES[headline.tone], console) + _text(headline.text, "bold", console)
    )
    if console.width < NARROW:
        _print_stacked(rest, console)
    else:
        _print_beside(rest, console)


def _print_beside(lines: list[Line], console: Console) -> None:
    for line in lines:
        label = f"  {line.label}"
        for part in _wrapped(line, console, LABEL_WIDTH):
            console.print(_text(label.ljust(LABEL_WIDTH), "dim", console) + part)
            label = ""


def _print_stacked(lines: list[Line], console: Console) -> None:
    for line in lines:
        if line.label:
            console.print(_text(f"{line.label}:", "dim", console))
        for part in _wrapped(line, console, 2):
            console.print(_text("  ", "", console) + part)


def _wrapped(line: Line, console: Console, indent: int) -> list[Text]:
    """Cut a line's text to what fits behind an indent."""
    indent += 4 if line.tone is Tone.CODE else 0
    parts = list(_text(line.text, STYLES[line.tone], console).wrap(console, max(10, console.width - indent)))
    for part in parts:
        part.rstrip()
        if line.tone is Tone.CODE:
            part.pad_left(4)
    return parts


def _text(text: str, style: str, console: Console) -> Text:
    from rich.text import Text

    return Text(printable(text, console.encoding), style=style)


def printable(text: str, encoding: str) -> str:
    """Replace what a terminal would obey (names in a trace may hold anything), or what it cannot show."""
    shown = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)
