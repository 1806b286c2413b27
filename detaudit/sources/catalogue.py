"""All sources of nondeterminism: whatever a module of this package defines as `SOURCE` or in `SOURCES`.

A new file here is a new source: nothing else has to know of it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from detaudit import sources
from detaudit.model.plan import Intervention
from detaudit.sources.ledger import Ledger
from detaudit.sources.pool_tasks import watch_tasks
from detaudit.sources.source import Source
from detaudit.sources.taps import LineFinder, Taps


def _defined() -> Iterator[Source]:
    for module in sorted(pkgutil.iter_modules(sources.__path__), key=lambda one: one.name):
        names = vars(import_module(f"{sources.__name__}.{module.name}"))
        found = (names.get("SOURCE"), *(names.get("SOURCES") or ()))
        yield from (one for one in found if isinstance(one, Source))


BY_NAME = {source.name: source for source in _defined()}

SOURCES = tuple(source for source in BY_NAME.values() if source.suspicion is not None)
"""The sources that can be suspected: every run with a ledger observes them."""


def put_taps(
    lines: LineFinder, held: tuple[Intervention, ...] = (), perturbed: tuple[Intervention, ...] = ()
) -> Taps:
    """Watch every source from now on; hold or perturb those that the run asks for."""
    taps = Taps(lines, Ledger(), held, perturbed)
    watch_tasks(taps)
    asked_for = (BY_NAME[one.source] for one in (*held, *perturbed))
    for source in (*SOURCES, *(one for one in asked_for if one not in SOURCES)):
        if source.tap is not None:
            source.tap(taps)
    return taps
