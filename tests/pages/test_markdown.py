"""Pages are taken apart: blocks, and the cells of tables."""

from __future__ import annotations

import pytest

from detaudit.pages.markdown import BlockKind, PageBlock, PageTable, blocks, table

TABLE = "| a | b |\n|---|--:|\n| `c` | 1 |\n| d |  |"


def test_a_page_is_taken_apart():
    text = "# a\n\nOne\ntwo.\n\n- b\n  c\n- d\n\n```python\n# e\n\n- f\n```\n## g\nh"
    assert list(blocks(text)) == [
        PageBlock(BlockKind.TITLE, "a"),
        PageBlock(BlockKind.TEXT, "One two."),
        PageBlock(BlockKind.ITEM, "b c"),
        PageBlock(BlockKind.ITEM, "d"),
        PageBlock(BlockKind.CODE, "# e\n\n- f", "python"),
        PageBlock(BlockKind.HEADING, "g"),
        PageBlock(BlockKind.TEXT, "h"),
    ]


def test_a_table_keeps_its_lines_and_ends_at_an_empty_one():
    assert list(blocks(f"a\n\n{TABLE}\n\nb")) == [
        PageBlock(BlockKind.TEXT, "a"),
        PageBlock(BlockKind.TABLE, TABLE),
        PageBlock(BlockKind.TEXT, "b"),
    ]


def test_marks_for_tests_are_left_out():
    assert list(blocks("a\n\n<!-- test: b -->\n```sh\nc\n```")) == [
        PageBlock(BlockKind.TEXT, "a"),
        PageBlock(BlockKind.CODE, "c", "sh"),
    ]


def test_a_table_is_taken_apart():
    assert table(TABLE) == PageTable(("a", "b"), (("`c`", "1"), ("d", "")), (False, True))


def test_a_table_without_a_rule_is_no_table():
    with pytest.raises(ValueError, match="unpack"):
        table("| a | b |")
