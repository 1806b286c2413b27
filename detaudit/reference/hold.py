"""Hold the entries of a run against those of a reference: equal, near enough, or where they first differ."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from detaudit.model.lock import VARIES, Entry
from detaudit.model.result import ReferenceState
from detaudit.model.sketch import relative_difference

_Identity = tuple[int, str, str, str]


@dataclass(frozen=True, slots=True)
class Pair:
    """One entry in the reference and in the run; None on the side that does not have it."""

    there: Entry | None
    here: Entry | None

    @property
    def entry(self) -> Entry:
        """The run's own entry, or else the entry of the reference."""
        entry = self.here or self.there
        if entry is None:
            raise ValueError("a pair has an entry on at least one side")
        return entry

    @property
    def equal(self) -> bool:
        """Whether both sides have the entry with equal bits, or the entry is known to vary."""
        if VARIES in (self.there and self.there.digest, self.here and self.here.digest):
            return True
        return self.there is not None and self.here is not None and self.there.digest == self.here.digest

    @property
    def structural(self) -> bool:
        """Whether only one side has the entry, or the sides have different numbers of values in it."""
        if self.there is None or self.here is None:
            return not self.equal
        ours, theirs = self.here.sketch, self.there.sketch
        return ours is not None and theirs is not None and ours.count != theirs.count

    @property
    def relative(self) -> float:
        """The estimated relative difference; 0 for equal bits, NaN where nothing can be said."""
        if self.equal:
            return 0.0
        if self.there is None or self.here is None or self.there.sketch is None or self.here.sketch is None:
            return math.nan
        return relative_difference(self.there.sketch, self.here.sketch)

    def within(self, tolerance: float | None) -> bool:
        """Say whether the two sides count as equal. A value without a sketch must have the same bits."""
        return self.equal or (tolerance is not None and self.relative <= tolerance)


@dataclass(frozen=True, slots=True)
class Held:
    """The result of holding a run against its reference."""

    state: ReferenceState
    first: Pair | None
    """The first thing that counts as different; None if nothing does."""
    differing: int
    """The number of entries that both sides have, but with different bits."""
    compared: int
    """The number of entries that both sides have."""
    relative: float | None
    """The largest relative difference that could be estimated; None where none could."""
    structural: bool
    """Whether one side has a layer, a step or a number that the other does not have."""
    only_there: tuple[str, ...]
    """Layers that only the reference has."""
    only_here: tuple[str, ...]

    @property
    def difference(self) -> str | None:
        """`structural` or `numeric`; None where nothing counts as different."""
        if self.first is None:
            return None
        return "structural" if self.structural else "numeric"


def hold(reference: Sequence[Entry], ours: Sequence[Entry], tolerance: float | None) -> Held:
    """Hold a run against a reference, thing by thing.

    With a tolerance, what has other bits counts as the same as long as its estimated relative difference is
    not larger. Without one only the bits count.
    """
    there, here = _by_identity(reference), _by_identity(ours)
    pairs = {name: Pair(there.get(name), here.get(name)) for name in (*there, *here)}
    both = [pair for pair in pairs.values() if pair.there is not None and pair.here is not None]
    unequal = [pair for pair in both if not pair.equal]
    sizes = [size for size in (pair.relative for pair in unequal) if not math.isnan(size)]
    first = _first(pairs, there, here, tolerance)
    return Held(
        state=_state(first, unequal),
        first=first,
        differing=len(unequal),
        compared=len(both),
        relative=max(sizes, default=None),
        structural=any(pair.structural for pair in pairs.values()),
        only_there=_layers_only_in(reference, ours),
        only_here=_layers_only_in(ours, reference),
    )


def _by_identity(entries: Iterable[Entry]) -> dict[_Identity, Entry]:
    return {entry.identity: entry for entry in entries}


def _state(first: Pair | None, unequal: Sequence[Pair]) -> ReferenceState:
    if first is not None:
        return ReferenceState.DIFFERS
    return ReferenceState.WITHIN_TOLERANCE if unequal else ReferenceState.EQUAL


def _first(
    pairs: Mapping[_Identity, Pair],
    there: Iterable[_Identity],
    here: Iterable[_Identity],
    tolerance: float | None,
) -> Pair | None:
    """Find the first entry that differs in the order of the run, unless the reference has an extra one."""
    ours = next((pairs[name] for name in here if not pairs[name].within(tolerance)), None)
    theirs = next((pairs[name] for name in there if not pairs[name].within(tolerance)), None)
    if ours is None or theirs is None:
        return ours or theirs
    if theirs.here is not None:
        return ours
    # Each has something of its own, or what differs in the run comes behind what only the reference has.
    return ours if ours.there is None and ours.entry.step <= theirs.entry.step else theirs


def _layers_only_in(entries: Iterable[Entry], others: Iterable[Entry]) -> tuple[str, ...]:
    known = {entry.layer for entry in others}
    return tuple(dict.fromkeys(entry.layer for entry in entries if entry.layer not in known))
