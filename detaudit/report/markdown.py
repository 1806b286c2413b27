"""Write the answer as Markdown for a comment on a pull request: shown is what to do, the rest is folded.

What comes from programs (names, messages, lines of code) can command neither Markdown nor HTML, and mentions
nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detaudit.report.lines import Line, Tone, count
from detaudit.report.summary import headline, summarize
from detaudit.report.terminal import printable

if TYPE_CHECKING:
    from detaudit.model.result import AuditResult

MARK = "<!-- detaudit -->"
"""The first line. A job that replaces its last comment, instead of adding another, finds the comment by this
line."""

FOLDED = frozenset({"differs after it", "that excludes", "not varied", "notice", "more"})
"""Labels of lines that few readers of a comment need."""

MOST_SECTIONS = 20
"""The most answers that are shown in full. A comment may have 65536 characters."""

OBEYED = re.compile(r"[\\`*_\[\]<>&|~$]")
"""Characters that Markdown or HTML interprets within a line."""

QUOTED = re.compile(r"(?<!`)`([^`]+)`(?!`)")

LINKED = re.compile(
    r"(?<=@)(?=\w)|(?<=[#!])(?=\d)|(?<=\bGH)(?=-\d)|(?<=:)(?=//|[\w+-]+:)|(?<=\bwww)(?=\.)", re.IGNORECASE
)
"""Positions at which a mention, a link to an issue, a picture or an address must be broken up: they are made
from the text that is shown, even if it is escaped."""


@dataclass(frozen=True, slots=True)
class LabelledLines:
    """A label and all lines below it."""

    label: str
    lines: tuple[Line, ...]


def render_markdown(results: Sequence[AuditResult]) -> str:
    """Write one answer as a section, several as a list, with sections for those that are not good."""
    blocks = [MARK, *(_single(results[0]) if len(results) == 1 else _several(results))]
    return "\n\n".join(blocks) + "\n"


def _single(result: AuditResult) -> Iterator[str]:
    yield from _section(result, "###")


def _several(results: Sequence[AuditResult]) -> Iterator[str]:
    bad = [result for result in results if headline(result).tone is not Tone.GOOD]
    good = len(results) - len(bad)
    yield f"### detaudit: {good} of {count(len(results), 'audit')} passed"
    if results:
        yield "\n".join(map(_verdict, results))
    for result in bad[:MOST_SECTIONS]:
        yield from _section(result, "####")
    if len(bad) > MOST_SECTIONS:
        yield f"and {len(bad) - MOST_SECTIONS} more, which the list above names"


def _verdict(result: AuditResult) -> str:
    line = headline(result)
    return f"- {line.label.lower()}: {code(line.text)}"


def _section(result: AuditResult, hashes: str) -> Iterator[str]:
    first, *rest = summarize(result)
    yield f"{hashes} {first.label.capitalize()}: {code(first.text)}"
    facts = list(_facts(rest))
    shown = [fact for fact in facts if fact.label not in FOLDED]
    if shown:
        yield _list(shown)
    folded = _list(fact for fact in facts if fact.label in FOLDED)
    yield f"<details><summary>Details</summary>\n\n{folded}\n\n</details>"


def _facts(lines: Iterable[Line]) -> Iterator[LabelledLines]:
    label, gathered = "", list[Line]()
    for line in lines:
        if line.label and gathered:
            yield LabelledLines(label, tuple(gathered))
            gathered = []
        label = line.label or label
        gathered.append(line)
    if gathered:
        yield LabelledLines(label, tuple(gathered))


def _list(facts: Iterable[LabelledLines]) -> str:
    return "\n".join(_item(fact) for fact in facts)


def _item(fact: LabelledLines) -> str:
    quoted = [printable(line.text, "utf-8") for line in fact.lines if line.tone is Tone.CODE]
    language = "python" if fact.label == "at" else ""
    blocks = [_fenced(quoted, language)] if quoted else []
    texts = [line.text for line in fact.lines if line.tone is not Tone.CODE]
    text = code(texts[0]) if fact.label == "at" else prose("; ".join(texts))
    return "\n".join([f"- **{escaped(fact.label)}:** {text}", *blocks])


def prose(text: str) -> str:
    """Write a sentence as Markdown: text between backquotes (a command, a name) becomes code."""
    parts = QUOTED.split(text)
    return "".join(code(part) if at % 2 else escaped(part) for at, part in enumerate(parts))


def escaped(text: str) -> str:
    """Escape text so that Markdown shows the text and obeys none of it."""
    plain = OBEYED.sub(lambda found: f"\\{found[0]}", printable(text, "utf-8"))
    return LINKED.sub("<!-- -->", plain)


def code(text: str) -> str:
    """Text in a span of code, between more backquotes than it has itself."""
    shown = printable(text, "utf-8")
    fence = "`" * (_longest(shown) + 1)
    # A blank at both ends is taken off again; without it, a backquote at an end would belong to the fence.
    space = " " if shown.startswith(("`", " ")) or shown.endswith(("`", " ")) or not shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _fenced(lines: Sequence[str], language: str) -> str:
    """Lines as a block of code in an item of a list."""
    fence = "`" * max(3, *(_longest(line) + 1 for line in lines))
    return "\n".join(f"  {line}" for line in (fence + language, *lines, fence))


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
