"""The answer as a comment on a pull request, as a renderer shows it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from detaudit.model.result import Notice, TargetSummary
from detaudit.model.trace import Site
from detaudit.report.markdown import MARK, MOST_SECTIONS, code, escaped, prose, render_markdown
from tests.results import changed, differing, equal, reference, unverified

ISSUED = {"h3", "h4", "ul", "li", "strong", "code", "pre", "details", "summary", "p"}
"""The elements that a comment is made of."""

HOSTILE = [
    "<script>alert(1)</script>",
    "</details><h1>x</h1>",
    "<!-- hidden",
    "`code` ``more`` `",
    "**bold** _it_ ~~no~~",
    "[link](https://example.com) ![picture](x.png)",
    "&lt; &#64; \\* \\",
    "| a | b |",
    "$x^2$",
    "ends in a backslash \\",
    "# heading\n\n- item\n```\n</details>",
    "\x1b[2J\u202e\udcff",
    "<b",
]


class Shown(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.links = set(), "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links.extend(value for name, value in attrs if name in {"href", "src"})

    def handle_data(self, data):
        self.text += data


def shown(markdown):
    """The page that a renderer makes, which lets HTML and links through as GitHub's does."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return Shown(renderer.render(markdown))


def visible(text):
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def letters(text):
    """What must not be lost: all but blanks, and backquotes, which may have become a span of code."""
    return "".join(text.replace("`", "").split())


def test_a_fault_is_shown_with_its_line_and_fix_and_the_rest_is_folded():
    fault = differing("a notice", cause="unseeded-numpy", confirmed=True, fix="call np.random.seed(0)")
    text = render_markdown([fault])
    assert text.startswith(MARK)
    above, _, below = text.partition("<details>")
    assert "### Not reproducible: `train.py --epochs 3`" in above
    assert "- **cause:** unseeded-numpy: " in above
    assert "- **at:** `train.py:22 in forward" in above
    assert "  ```python\n  x = self.conv1(x)\n  ```\n" in above
    assert "- **fix to try:** call np.random.seed(0)" in above
    assert "a notice" not in above
    assert "a notice" in below
    page = shown(text)
    assert page.tags <= ISSUED
    assert "x = self.conv1(x)" in page.text


def test_every_fault_is_shown():
    one = differing(cause="unseeded-numpy", confirmed=True)
    two = replace(one, findings=(*one.findings, *differing(cause="wall-clock", fix="use steps").findings))
    above = render_markdown([two]).partition("<details>")[0]
    assert "**fault 2:** wall-clock (not confirmed): " in above
    assert "use steps" in above


def test_a_change_is_shown_with_its_size_and_the_lines_that_changed():
    above = render_markdown([changed(reference(changed=("model.py:3-5",)))]).partition("<details>")[0]
    assert "### Changed: `train.py --epochs 3`" in above
    assert "12 of 40 things differ, by about 3e-07 at most" in above
    assert "- **changed since:** model.py:3-5" in above


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_program_says_is_shown_and_not_obeyed(text):
    site = Site(f"{text}.py", 1, text, text)
    result = differing(text, cause="unseeded-numpy", message=text, fix=text, site=site)
    page = shown(render_markdown([replace(result, target=TargetSummary("script", text, ()))]))
    assert page.tags <= ISSUED
    assert page.links == []
    told = letters(page.text)
    # In the headline, the message, the place (file and function), the line and the fix.
    assert told.count(letters(visible(text))) >= 6
    # A notice keeps its lines.
    assert all(letters(visible(line)) in told for line in text.splitlines())


def test_the_check_on_hostile_text_can_fail():
    assert "script" in shown(HOSTILE[0]).tags
    assert shown(HOSTILE[5]).links == ["https://example.com", "x.png"]


@pytest.mark.parametrize(
    "text", ["@someone", "a@example.com", "#12", "!34", "GH-5", "see :smile: there", "https://x.y", "www.x.y"]
)
def test_nobody_is_mentioned_and_nothing_is_linked(text):
    assert shown(escaped(text)).text == f"{text}\n"
    assert text not in escaped(text)


def test_what_a_sentence_has_between_backquotes_is_code():
    text = prose("if it is meant: `detaudit lock a_b.py`, or *not*; ``x`` and ` alone")
    assert text.startswith("if it is meant: `detaudit lock a_b.py`, or \\*not\\*; ")
    assert shown(text).text == "if it is meant: detaudit lock a_b.py, or *not*; ``x`` and ` alone\n"


def test_plain_words_stay_as_they_are():
    text = "call torch.manual_seed(0) before the loop: 3 + 4 - 1 = 6, 50%, #x, e.g. a.b.c"
    assert escaped(text) == text.replace("_", "\\_")


@pytest.mark.parametrize("text", ["", " ", "`", "``", "a`b", "`` a `", "|", "<b>"])
def test_a_span_of_code_shows_what_it_is_given(text):
    assert shown(f"x {code(text)} y").text.removeprefix("x").removesuffix("y\n").strip() == text.strip()


def test_several_answers_are_listed_and_only_the_bad_ones_told():
    text = render_markdown([equal(), differing(), unverified()])
    assert "### detaudit: 1 of 3 audits passed" in text
    assert "- reproducible: `train.py --epochs 3`" in text
    assert re.findall("^#### .*?:", text, re.MULTILINE) == ["#### Not reproducible:", "#### Unverified:"]
    assert shown(text).tags <= ISSUED


def test_a_long_session_fits_a_comment():
    text = render_markdown([differing("x" * 500)] * 200)
    assert len(text) < 65536
    assert text.count("####") == MOST_SECTIONS
    assert f"and {200 - MOST_SECTIONS} more" in text


def test_no_answer_is_no_pass():
    assert "0 of 0 audits passed" in render_markdown([])


def test_notices_are_counted_in_one_line():
    result = replace(equal(), notices=tuple(Notice("n", f"note {number}") for number in range(5)))
    assert "- **notice:** note 2; and 2 more notices, in the JSON result" in render_markdown([result])
