"""The tables of the benchmark: a row for each program, and a summary for each family."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median, quantiles

from tests.benchmarks.scoring import Answer

COLUMNS = "{:<36} {:<16} {:<16} {:<44} {:<14} {:<6} {:<12} {:<6} {:>5} {:>7} {:>6}  {}"
TITLES = (
    "program",
    "expected",
    "verdict",
    "cause / expected",
    "line",
    "sure",
    "phase",
    "found",
    "runs+",
    "seconds",
    "ratio",
    "",
)
SUMMARY = (
    "family",
    "programs",
    "verdict right",
    "false alarms",
    "cause right",
    "line right",
    "all faults found",
    "confirmed",
    "extra runs",
    "extra runs, clean",
    "seconds",
    "over a plain run: median",
    "90 %",
)


def titles() -> str:
    """Return the heads of the columns of `row`."""
    return COLUMNS.format(*TITLES).rstrip()


def row(answer: Answer) -> str:
    """Return the row of one program: what was said, what is right, and what of it is wrong."""
    program, claims = answer.program, answer.claims
    expected = " + ".join(fault.causes[0] if fault.causes else "any" for fault in program.faults)
    said = " + ".join(claim.cause or "?" for claim in claims) or "-"
    return COLUMNS.format(
        _name(answer),
        program.verdict,
        answer.verdict,
        f"{said} / {expected}" if program.faults or claims else "",
        _lines(answer) if program.faults or claims else "",
        _share(sum(claim.confirmed for claim in claims), len(claims)) if claims else "",
        "+".join(claim.phase or "?" for claim in claims),
        _share(answer.found, len(program.faults)) if program.faults else "",
        answer.extra_runs,
        f"{answer.times.audit:.1f}",
        f"{answer.times.ratio:.1f}" if answer.times.ratio else "",
        _mark(answer),
    ).rstrip()


def summary(answers: Sequence[Answer], *, markdown: bool = False) -> str:
    """Return the summary: a row for each family, in the order of their first programs, and the total."""
    families = dict.fromkeys(answer.program.family for answer in answers)
    rows = [_summary_row(name, [a for a in answers if a.program.family == name]) for name in families]
    table = [SUMMARY, *rows, _summary_row("all", answers)]
    return _as_markdown(table) if markdown else _as_text(table)


def _name(answer: Answer) -> str:
    program = answer.program
    return (
        program.identity
        if program.identity == program.path.stem
        else f"{program.identity} {program.path.stem}"
    )


def _lines(answer: Answer) -> str:
    said = "+".join(str(claim.line or "-") for claim in answer.claims) or "-"
    expected = "+".join(str(fault.lines[0]) if fault.lines else "any" for fault in answer.program.faults)
    return f"{said} / {expected}"


def _mark(answer: Answer) -> str:
    if not answer.wrong:
        return "OK"
    chance = " (two runs of it may agree by chance)" if answer.program.flaky else ""
    return f"WRONG {', '.join(answer.wrong)}{chance} {answer.note}".rstrip()


def _summary_row(family: str, answers: Sequence[Answer]) -> tuple[str, ...]:
    faulty = [a for a in answers if a.program.faults]
    clean = [a for a in answers if a.program.verdict == "reproducible"]
    claims = [claim for a in answers for claim in a.claims]
    ratios = [a.times.ratio for a in faulty if a.times.ratio]
    return (
        family,
        str(len(answers)),
        _count(answers, lambda a: a.verdict_right),
        _count(clean, lambda a: a.false_alarm),
        _count(faulty, lambda a: a.cause_right),
        _count(faulty, lambda a: a.line_right),
        _count(faulty, lambda a: a.all_found),
        _share(sum(claim.confirmed for claim in claims), len(claims)),
        _median(a.extra_runs for a in faulty if len(a.program.faults) == 1),
        _median(a.extra_runs for a in clean),
        _median(a.times.audit for a in answers),
        _median(ratios),
        f"{quantiles(ratios, n=10, method='inclusive')[-1]:.1f}" if len(ratios) > 1 else "-",
    )


def _count(answers: Sequence[Answer], right: Callable[[Answer], bool]) -> str:
    return _share(sum(map(right, answers)), len(answers))


def _share(part: int, whole: int) -> str:
    return f"{part} / {whole}" if whole else "-"


def _median(values: Iterable[float]) -> str:
    numbers = list(values)
    return f"{median(numbers):.1f}".removesuffix(".0") if numbers else "-"


def _as_text(table: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in table
    )


def _as_markdown(table: Sequence[tuple[str, ...]]) -> str:
    head, *rows = ("| " + " | ".join(cells) + " |" for cells in table)
    return "\n".join([head, "|---" * len(SUMMARY) + "|", *rows])
