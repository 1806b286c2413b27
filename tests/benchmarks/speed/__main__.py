"""`python -m tests.benchmarks.speed`: how fast detaudit is, in one table, each figure with its bar.

Every figure is a ratio within one run, or a difference to `python -c pass`; the value is the median of
single measurements that take turns, and half of them lie between the quartiles. A figure that is short of
its bar is a figure all the same: the exit status is 0.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from tests.benchmarks.speed.rows import Row
from tests.benchmarks.speed.table import as_markdown, as_text, machine, tally

PARTS = ("digest", "recording", "check", "scale", "startup", "gpu")
QUICK_ROUNDS = 3


def main(argv: Sequence[str]) -> int:
    """Measure, print the machine, the table and how many bars hold."""
    options = _parse(argv)
    rows: list[Row] = []
    for name in options.only:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        found = measure(name, quick=options.quick)
        rows.extend(found)
        if not found:
            print(f"{name}: there is nothing on this machine to measure", file=sys.stderr, flush=True)
    print(f"{machine()}\n\n{(as_markdown if options.markdown else as_text)(rows)}\n\n{tally(rows)}")
    return 0


def measure(part: str, *, quick: bool) -> list[Row]:
    """The rows of one part."""
    # Imported when it is measured: what one part imports would be in the memory of all.
    module = importlib.import_module(f"tests.benchmarks.speed.{part}")
    rows: list[Row]
    match part:
        case "recording" | "gpu":
            rows = module.rows(QUICK_ROUNDS) if quick else module.rows()
        case _:
            rows = module.rows(quick=quick)
    return rows


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.speed", description=__doc__)
    parser.add_argument(
        "--only",
        metavar="PART,...",
        type=_parts,
        default=list(PARTS),
        help=f"measure these parts alone: {', '.join(PARTS)}",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and shorter runs: a first look")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args(argv)


def _parts(text: str) -> list[str]:
    """The parts that are named. Raises ArgumentTypeError for one that does not exist."""
    names = text.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
