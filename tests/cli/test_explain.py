"""`detaudit explain`: the list of pages, and each page."""

from __future__ import annotations

import io

import pytest

from detaudit.cli.explain import CODE_INDENT, print_lists, print_page
from detaudit.pages.markdown import BlockKind, blocks
from detaudit.pages.page import Page, causes, labels, other_findings, page, topics
from tests.cli.test_main import run as imports_torch

NAMES = labels() + topics()
WIDTHS = (30, 59, 60, 80, 100, 200)


class Screen(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """A terminal with colours, whatever the tests run in."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def printed(shown, width, file=None):
    file = file or io.StringIO()
    print_page(shown, file, width=width)
    return file.getvalue()


def test_without_a_name_all_pages_are_listed_with_a_line_each(command):
    code, out, err = command("explain")
    assert (code, err) == (0, "")
    first, *listed, last = out.splitlines()
    assert first == "Causes: why two runs of a training differ"
    assert listed.pop(len(causes())) == "Further faults: found by check --vary"
    assert listed.pop(len(labels())) == "Topics: how to use detaudit"
    assert [line.split()[0] for line in listed] == [*causes(), *other_findings(), *topics()]
    assert listed[causes().index("seed-order")] == (
        "  seed-order            A seed is set, but something was drawn before it."
    )
    assert last == "To read the page for one of them: detaudit explain NAME"


@pytest.mark.parametrize("name", NAMES)
def test_each_page_is_printed_as_plain_text(command, name):
    code, out, err = command("explain", name)
    assert (code, err) == (0, "")
    assert out.startswith(f"{name}\n\n  ")
    assert "\n\nSee also\n  - " in out
    assert not any(mark in out for mark in ("`", "#" * 2, "\x1b"))
    assert max(map(len, out.splitlines())) <= 100
    assert all(line == line.rstrip() for line in out.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_code_is_indented_and_otherwise_as_it_was_written(command, name):
    out = command("explain", name)[1]
    for part in blocks(page(name).text):
        if part.kind is BlockKind.CODE:
            room = 100 - max(map(len, part.text.splitlines()))
            indent = " " * min(CODE_INDENT, room)
            indented = "\n".join(f"{indent}{line}".rstrip() for line in part.text.splitlines())
            assert f"\n{indented}\n\n" in out


def test_items_stand_together_and_headings_with_their_text():
    text = "# a\n\nOne of `b`.\n\n## C\n\n- d\n- e\n\nf\n\n```python\ng()\n\nh()\n```\n"
    assert printed(Page("a", "One of `b`.", text), 80) == (
        "a\n\n  One of b.\n\nC\n  - d\n  - e\n\n  f\n\n    g()\n\n    h()\n"
    )


def test_a_long_item_hangs_behind_its_dash():
    text = "# a\n\nb\n\n- " + "word " * 8
    assert printed(Page("a", "b", text), 30).splitlines()[-2:] == [
        "  - word word word word word",
        "    word word word",
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_terminal(width):
    listed = io.StringIO()
    print_lists(listed, width=width)
    shown = [listed.getvalue(), *(printed(page(name), width) for name in NAMES)]
    assert max(len(line) for one in shown for line in one.splitlines()) <= min(width, 100)


@pytest.mark.parametrize("name", ["rng-drift", "locks"])
def test_words_are_kept_however_narrow_it_is(name):
    narrow, wide = (printed(page(name), width).split() for width in (30, 100))
    assert "".join(narrow) == "".join(wide)


def test_a_terminal_gets_colours_for_headings_names_and_code():
    shown = printed(page("hash-order"), 100, Screen())
    assert "\x1b[1mWhat it is\x1b[0m" in shown
    assert "\x1b[36mPYTHONHASHSEED\x1b[0m" in shown
    assert "\x1b[1mfor\x1b[0m" in shown
    assert "`" not in shown


def test_only_python_is_coloured_as_python():
    text = "# a\n\nb\n\n```sh\nfor\n```\n\n```python\nfor\n```\n"
    assert printed(Page("a", "b", text), 80, Screen()).count("\x1b[1mfor\x1b[0m") == 1


def test_what_a_terminal_shows_is_the_plain_text():
    coloured = printed(page("hash-order"), 100, Screen())
    for style in ("0", "1", "32", "35", "36"):
        coloured = coloured.replace(f"\x1b[{style}m", "")
    assert coloured == printed(page("hash-order"), 100)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["unseeded-nunpy"], "did you mean unseeded-numpy?"),
        (["wary"], "did you mean vary?"),
        (["xyzzy"], "`detaudit explain` lists all pages"),
        (["hash-order", "fs-order"], "see `detaudit explain --help`"),
    ],
)
def test_what_is_no_page_is_an_error_with_a_hint(command, arguments, answer):
    code, out, err = command("explain", *arguments)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == f"  hint: {answer}"


def test_torch_is_not_imported(tmp_path):
    assert not imports_torch("explain")
    assert not imports_torch("explain", "unseeded-torch")
    (tmp_path / "torch.py").touch()
    assert imports_torch("explain", before=f"sys.path.insert(0, {str(tmp_path)!r}); import torch")


def test_the_verb_is_in_the_help(command):
    assert "explain" in command("--help")[1]
