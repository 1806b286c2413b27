"""The table of the speed benchmark, as text or as Markdown, and the machine that its figures are of."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.speed.processes import cores
from tests.benchmarks.speed.rows import Row

HEADS = ("part", "what", "value", "quartiles", "bar", "")
RIGHT = frozenset({"value", "quartiles", "bar"})
"""Columns of numbers."""

CPU_INFO = Path("/proc/cpuinfo")
LARGE = 100.0
"""From here on no digit behind the point is told."""


def machine() -> str:
    """Processor, cores and versions: the figures hold for these."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "xxhash"))
    return (
        f"{processor()}, {cores()} of {os.cpu_count()} cores, {platform.system()}, {versions}, "
        f"Python {platform.python_version()}"
    )


def processor() -> str:
    """The name of the processor."""
    if CPU_INFO.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", CPU_INFO.read_text(encoding="utf-8"), re.MULTILINE)
        if found is not None:
            return found[1]
    return platform.processor() or platform.machine()


def as_text(rows: Sequence[Row]) -> str:
    """The table in columns."""
    table = [HEADS, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(_aligned, one, widths, HEADS)).rstrip() for one in table)


def as_markdown(rows: Sequence[Row]) -> str:
    """Write the tables of the page `performance`: one for each part, without the bars."""
    parts = dict.fromkeys(row.part for row in rows)
    return "\n\n".join(_section(part, [row for row in rows if row.part == part]) for part in parts)


def _section(part: str, rows: Sequence[Row]) -> str:
    heads = HEADS[1:4]
    rule = "|".join("--:" if head in RIGHT else "---" for head in heads)
    lines = (" | ".join(cells(row)[1:4]) for row in rows)
    table = [f"| {' | '.join(heads)} |", f"|{rule}|", *(f"| {line} |" for line in lines)]
    return "\n".join([f"## {part.capitalize()}", "", *table])


def tally(rows: Sequence[Row]) -> str:
    """How many bars hold, and which are short."""
    barred = [row for row in rows if row.bar is not None]
    short = [f"{row.part}: {row.what}" for row in barred if row.verdict == "short"]
    told = f"{len(barred) - len(short)} of {len(barred)} bars hold"
    return told if not short else f"{told}; short: {'; '.join(short)}"


def cells(row: Row) -> tuple[str, ...]:
    """The columns of one row."""
    spread = f"{number(row.low)} to {number(row.high)}"
    return row.part, row.what, number(row.value), spread, str(row.bar or ""), row.verdict


def number(value: float) -> str:
    """A figure with three significant digits, or all before the point."""
    if abs(value) >= LARGE:
        return f"{value:.0f}"
    return f"{value:#.3g}".rstrip(".")


def _aligned(cell: str, width: int, head: str) -> str:
    return cell.rjust(width) if head in RIGHT else cell.ljust(width)
