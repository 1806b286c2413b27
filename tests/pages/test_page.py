"""The pages: all there, those of the causes built alike, with code that is Python."""

from __future__ import annotations

import ast
import re
from importlib.resources import files

import pytest

from detaudit.errors import UsageError
from detaudit.model.cause import RELATIONS
from detaudit.pages.markdown import BlockKind, PageBlock, blocks, table
from detaudit.pages.page import causes, labels, other_findings, page, topics

HEADINGS = [
    "What it is",
    "How it shows",
    "Bad",
    "Good",
    "What to change",
    "How detaudit proves it",
    "Looks like it, and is not",
    "See also",
]
TOPICS = ("accuracy", "check", "ci", "glossary", "internals", "locks", "performance", "vary")
LANGUAGES = {"python", "sh", "text", "console", "yaml", "toml"}
MORE_MARKDOWN = re.compile(r"\*\w|\]\(|^\||^\d+\. |^ +- |^>|<\w+>", re.MULTILINE)
"""What the renderer has no rule for."""
WIDTH = 100
CODE_WIDTH = 76
"""Behind the indent that `detaudit explain` gives code, it fits a terminal of 80 columns."""
SUMMARY_WIDTH = 76
"""So that the list of all causes has one line for each."""


def faults(cause, text):
    """What is wrong with a page, as sentences."""
    parts = list(blocks(text))
    lines = text.splitlines()
    shape = [(part.kind, part.text) for part in parts[:3]]
    code = [part.text for part in parts if part.kind is BlockKind.CODE]
    checks = {
        "another title": shape[0] == (BlockKind.TITLE, cause),
        "no summary": [kind for kind, _ in shape[1:]] == [BlockKind.TEXT, BlockKind.HEADING],
        "a long summary": len(shape[1][1].replace("`", "")) <= SUMMARY_WIDTH,
        "not one sentence": re.fullmatch(r"[^.!?]+\.", shape[1][1]) is not None,
        "other headings": [part.text for part in parts if part.kind is BlockKind.HEADING] == HEADINGS,
        "an empty section": not has_empty_section(parts),
        "not two pieces of code": len(code) == 2 and text.count("```python\n") == 2,
        "the same code twice": len(set(code)) == len(code),
        "a long line": max(map(len, lines)) <= WIDTH,
        "long code": all(len(line) <= CODE_WIDTH for one in code for line in one.splitlines()),
        "too short or long": 40 <= len(lines) <= 80,
        "more Markdown than there is a rule for": not MORE_MARKDOWN.search(
            "\n".join(part.text for part in told(parts))
        ),
        "a backquote too many": all(part.text.count("`") % 2 == 0 for part in told(parts)),
        "not ASCII": text.isascii(),
        "an unknown cause": related(parts) <= {*labels()} - {cause},
        "no related cause": bool(related(parts)),
        "no documentation": any(" docs: " in part.text for part in told(parts)),
        "no seed or control held": cause in RELATIONS or "nothing else" in section(parts, HEADINGS[5]),
    }
    return [fault for fault, is_well in checks.items() if not is_well]


def topic_faults(topic, text):
    """What is wrong with the page of a topic, as sentences."""
    parts = list(blocks(text))
    shape = [(part.kind, part.text) for part in parts[:3]]
    code = [part for part in parts if part.kind is BlockKind.CODE]
    tables = [table(part.text) for part in parts if part.kind is BlockKind.TABLE]
    words = [part.text for part in told(parts)] + [cell for one in tables for row in one.rows for cell in row]
    narrow = [line for line in text.splitlines() if not line.startswith("|")]
    headings = [part.text for part in parts if part.kind is BlockKind.HEADING]
    checks = {
        "another title": shape[0] == (BlockKind.TITLE, topic),
        "no summary": [kind for kind, _ in shape[1:]] == [BlockKind.TEXT, BlockKind.HEADING],
        "a long summary": len(shape[1][1].replace("`", "")) <= SUMMARY_WIDTH,
        "not one sentence": re.fullmatch(r"[^.!?]+\.", shape[1][1]) is not None,
        "an empty section": not has_empty_section(parts),
        "a heading twice": len(set(headings)) == len(headings),
        "a long line": max(map(len, narrow)) <= WIDTH,
        "code in no language": {part.language for part in code} <= LANGUAGES,
        "a row of another length": all(len(row) == len(one.heads) for one in tables for row in one.rows),
        "more Markdown than there is a rule for": not any(map(MORE_MARKDOWN.search, words)),
        "a backquote too many": all(text.count("`") % 2 == 0 for text in words),
        "not ASCII": text.isascii(),
        "no related page": headings[-1] == HEADINGS[-1] and bool(related(parts)),
        "an unknown page": related(parts) <= {*labels(), *topics()} - {topic},
    }
    return [fault for fault, is_well in checks.items() if not is_well]


def has_empty_section(parts):
    following = zip(parts, [*parts[1:], parts[0]], strict=True)
    ends = {BlockKind.HEADING, BlockKind.TITLE}
    return any(before.kind is BlockKind.HEADING and after.kind in ends for before, after in following)


def told(parts):
    return [part for part in parts if part.kind in {BlockKind.TEXT, BlockKind.ITEM}]


def section(parts, heading):
    """The text below a heading."""
    begin = (
        parts.index(PageBlock(BlockKind.HEADING, heading)) + 1
        if PageBlock(BlockKind.HEADING, heading) in parts
        else 0
    )
    ends = [number for number, part in enumerate(parts) if part.kind is BlockKind.HEADING and number >= begin]
    return " ".join(part.text for part in parts[begin : min(ends, default=len(parts))])


def related(parts):
    """The labels in "See also"."""
    return set(re.findall(r"`([a-z-]+)`", section(parts, HEADINGS[-1])))


def python_fault(code):
    try:
        ast.parse(code)
    except SyntaxError as error:
        return str(error)
    return None


@pytest.mark.parametrize("cause", labels())
def test_every_cause_and_other_finding_has_a_page_that_is_built_like_the_others(cause):
    assert faults(cause, page(cause).text) == []


def test_every_cause_and_other_finding_has_a_label_of_its_own():
    found = {file.name.removesuffix(".md") for file in files("detaudit.pages").iterdir()}
    assert {*labels()} < found
    assert len(set(causes())) == len(causes()) == 26
    assert set(labels()) - set(causes()) == set(other_findings()) == {"wrong-layer", "samples-mixed"}


def test_every_other_page_is_a_topic():
    assert topics() == TOPICS
    assert not {*topics()} & {*labels()}


@pytest.mark.parametrize("topic", topics())
def test_every_topic_has_a_page_that_can_be_shown(topic):
    assert topic_faults(topic, page(topic).text) == []


@pytest.mark.parametrize("name", labels() + topics())
def test_the_python_of_every_page_is_python(name):
    for part in blocks(page(name).text):
        if part.language == "python":
            assert python_fault(part.text) is None


def test_code_that_is_no_python_is_found():
    assert python_fault("for word in set(words)\n    print(word)") is not None


@pytest.mark.parametrize(
    ("fault", "old", "new"),
    [
        ("another title", "# hash-order", "# fs-order"),
        ("no summary", "shows it.\n\n", "shows it.\n\nAnd more.\n\n"),
        ("a long summary", "shows it.", "shows it to everybody who looks."),
        ("not one sentence", "anew, and", "anew. And"),
        ("other headings", "## Bad", "## Worse"),
        ("an empty section", "## See also", "## See also\n\n## See also"),
        ("not two pieces of code", "```python\ntext", "```\ntext"),
        ("the same code twice", "import zlib\n\n", ""),
        ("a long line", "- Sort before", "- Sort" + " again and again" * 9),
        ("long code", "import zlib", "import zlib" + "  " * 48),
        ("too short or long", "- Sort before", "- Sort.\n" * 40 + "- Sort before"),
        ("more Markdown than there is a rule for", "is too late", "is *too* late"),
        ("more Markdown than there is a rule for", "is too late", "is [too](late)"),
        ("a backquote too many", "`str` and", "str` and"),
        ("not ASCII", "is too late", "is too late \N{EM DASH} always"),
        ("an unknown cause", "- `fs-order`", "- `file-order`"),
        ("an unknown cause", "- `fs-order`", "- `hash-order`"),
        ("no documentation", " docs: ", " pages: "),
        ("no seed or control held", "nothing else", "something else"),
    ],
)
def test_a_page_that_is_built_otherwise_is_found(fault, old, new):
    text = page("hash-order").text
    if fault == "the same code twice":
        good = text.split("```python\n")[2]
        changed = text.replace(text.split("```python\n")[1].split("```")[0], good.split("```")[0])
    else:
        assert old in text
        changed = text.replace(old, new)
    assert fault in faults("hash-order", changed)


@pytest.mark.parametrize(
    ("fault", "old", "new"),
    [
        ("another title", "# vary", "# axes"),
        ("no summary", "the first.\n\n", "the first.\n\n- And more.\n\n"),
        ("a long summary", "each run against the first", "each run against the first of them, one by one"),
        ("not one sentence", "conditions, and", "conditions. And"),
        ("an empty section", "## See also", "## Nothing\n\n## See also"),
        ("a heading twice", "## Numbers", "## Bits"),
        ("a long line", "`OTHER BITS` is", "`OTHER BITS`" + " again and again" * 9),
        ("code in no language", "```sh", "```"),
        ("a row of another length", "| numbers | a layer that is wrong |", "| numbers |"),
        ("more Markdown than there is a rule for", "Axes promise", "Axes [promise](much)"),
        ("more Markdown than there is a rule for", "| as above |", "| *as above* |"),
        ("a backquote too many", "`OTHER BITS` is", "`OTHER BITS is"),
        ("a backquote too many", "| `dtype` |", "| `dtype |"),
        ("not ASCII", "Axes promise", "Axes \N{EM DASH} promise"),
        ("no related page", "## See also", "## Others"),
        ("an unknown page", "- `wrong-layer`", "- `wrong-row`"),
        ("an unknown page", "- `wrong-layer`", "- `vary`"),
    ],
)
def test_a_topic_whose_page_cannot_be_shown_is_found(fault, old, new):
    text = page("vary").text
    assert old in text
    assert fault in topic_faults("vary", text.replace(old, new))


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("unseeded-nunpy", "unseeded-numpy"),
        ("numpy", "unseeded-numpy"),
        ("Hash_Order", "hash-order"),
        ("uninitialised-memory", "uninitialized-memory"),
        ("lock", "locks"),
        ("glosary", "glossary"),
    ],
)
def test_an_unknown_page_is_told_with_the_nearest(typed, nearest):
    with pytest.raises(UsageError) as raised:
        page(typed)
    assert raised.value.slug == "unknown-page"
    assert repr(typed) in raised.value.message
    assert raised.value.hint == f"did you mean {nearest}?"


@pytest.mark.parametrize("typed", ["xyzzy", "", "../page", "none", "page.py", "__init__"])
def test_a_word_like_no_page_leads_to_the_list(typed):
    with pytest.raises(UsageError) as raised:
        page(typed)
    assert raised.value.hint == "`detaudit explain` lists all pages"
