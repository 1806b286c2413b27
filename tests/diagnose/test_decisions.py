"""Which line decides by the clock; which seeding is never reached."""

from __future__ import annotations

from detaudit.model.trace import Site
from detaudit.sources.decisions import deciding_line, uncalled_seed

PROGRAM = """\
import time
began = time.time()
for step in range(9):
    if time.time() - began > 1:
        evaluate()
    spent = time.time() - began
    print(spent)
"""


def sites(path, *lines):
    return [Site(str(path), line, "<module>") for line in lines]


def test_the_reading_that_is_compared_decides(tmp_path):
    path = tmp_path / "timed.py"
    path.write_text(PROGRAM)
    assert deciding_line(sites(path, 2, 4, 6), []) == sites(path, 4)[0]


def test_without_a_comparison_the_last_reading_is_named(tmp_path):
    path = tmp_path / "untimed.py"
    path.write_text("import time\na = time.time()\nb = time.time()\n")
    assert deciding_line(sites(path, 2, 3), []) == sites(path, 3)[0]


def test_of_two_decisions_the_one_that_leads_to_the_difference_is_named(tmp_path):
    path = tmp_path / "two.py"
    path.write_text("if time() > 1:\n    log()\nif time() > 2:\n    evaluate()\n")
    assert deciding_line(sites(path, 1, 3), sites(path, 2)) == sites(path, 1)[0]


def test_a_seed_that_is_not_executed_is_found_and_one_that_is_not_there_is_not(tmp_path):
    path = tmp_path / "seeded.py"
    path.write_text("import torch\nif args.seed:\n    torch.manual_seed(args.seed)\n")
    assert uncalled_seed(str(path), ("torch.manual_seed",), set()) == 3
    assert uncalled_seed(str(path), ("torch.manual_seed",), {3}) is None
    assert uncalled_seed(str(path), ("random.seed",), set()) is None
