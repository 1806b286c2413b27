"""Find and read the pages: one for each cause, for each other finding, and for each topic."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from detaudit.errors import UsageError
from detaudit.model.cause import Cause
from detaudit.pages.markdown import blocks

OTHER_FINDINGS = ("wrong-layer", "samples-mixed")
"""Findings of `--vary` that are no cause of a difference between two runs under equal conditions."""

LIKENESS = 0.5
"""The least likeness of a wrong name to a known name: low enough to recognise `numpy`."""

SUFFIX = ".md"


@dataclass(frozen=True, slots=True)
class Page:
    """Hold what there is to say about a cause, another finding or a topic."""

    name: str
    summary: str
    """One sentence: why the runs differ, or what the page is about."""
    text: str
    """The whole page, in Markdown."""


def causes() -> tuple[str, ...]:
    """Give the labels of all causes; each has a page."""
    return tuple(cause.value for cause in Cause)


def other_findings() -> tuple[str, ...]:
    """Give the labels of findings that are no causes; each has a page."""
    return OTHER_FINDINGS


def labels() -> tuple[str, ...]:
    """Give the labels of all that a report can find and that has a page."""
    return causes() + OTHER_FINDINGS


def topics() -> tuple[str, ...]:
    """Give the names of all other pages, in the order of the alphabet."""
    # Imported late: it imports `random` and more, before an audited program that has every source at hand.
    from importlib.resources import files

    names = (file.name for file in files(__package__).iterdir())
    found = {name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)}
    return tuple(sorted(found - {*labels()}))


def page(name: str) -> Page:
    """Read the page of that name. Raises UsageError, with the nearest name, if there is none."""
    if name not in labels() and name not in topics():
        raise _unknown(name)
    from importlib.resources import files

    text = files(__package__).joinpath(name + SUFFIX).read_text(encoding="utf-8")
    _title, summary, *_rest = blocks(text)
    return Page(name, summary.text, text)


def _unknown(name: str) -> UsageError:
    nearest = get_close_matches(name.lower(), labels() + topics(), n=1, cutoff=LIKENESS)
    hint = f"did you mean {nearest[0]}?" if nearest else "`detaudit explain` lists all pages"
    return UsageError("unknown-page", f"there is no page {name!r}", hint)
