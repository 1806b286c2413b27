"""Tables of pages: in columns that fit, or row by row."""

from __future__ import annotations

import io

import pytest

from detaudit.cli.columns import fitting
from detaudit.cli.explain import print_page
from detaudit.pages.page import Page

TABLE = """\
| axis | what it sets | seconds |
|---|---|--:|
| `threads` | the number of threads of torch | 1.5 |
| `seed` |  | 10 / 12 |
"""


def printed(width):
    file = io.StringIO()
    print_page(Page("a", "b", f"# a\n\n{TABLE}"), file, width=width)
    return file.getvalue().split("a\n\n", 1)[1]


def test_columns_are_as_wide_as_their_cells_and_numbers_stand_at_the_right():
    assert printed(80) == (
        "  axis     what it sets                    seconds\n"
        "  threads  the number of threads of torch      1.5\n"
        "  seed                                     10 / 12\n"
    )


def test_where_that_is_too_wide_words_are_wrapped():
    assert printed(40) == (
        "  axis     what it sets          seconds\n"
        "  threads  the number of             1.5\n"
        "           threads of torch\n"
        "  seed                           10 / 12\n"
    )


def test_where_no_columns_fit_rows_stand_below_each_other():
    assert printed(24) == (
        "  threads\n"
        "    what it sets: the\n"
        "    number of threads of\n"
        "    torch\n"
        "    seconds: 1.5\n"
        "  seed\n"
        "    seconds: 10 / 12\n"
    )


@pytest.mark.parametrize(
    ("room", "widths"), [(20, [9, 7]), (16, [9, 7]), (14, [7, 7]), (10, [3, 7]), (9, None), (0, None)]
)
def test_the_widest_column_gives_way_first_and_numbers_stay_in_one_piece(room, widths):
    assert fitting([["abc def g", "a"], ["10 / 12", "b"]], room) == widths
