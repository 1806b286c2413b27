"""The evidence of a finding: one shape for all that was tried.

Pure data. No torch, no input or output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum


class EvidenceKind(StrEnum):
    """The kinds of trials that give evidence."""

    CONTROL = "control"
    """A source was held fixed, and nothing else: the runs must be equal, and differ without it."""
    PERTURBATION = "perturbation"
    """A condition that should not matter was changed on purpose."""
    REPETITION = "repetition"
    """Each side was run again, to see that it repeats itself."""
    REPLAY = "replay"
    """An operator was run alone, many times, with the inputs that it had in the training."""
    PATCH = "patch"
    """The proposed change was made in a copy of the program, and the copy was run."""
    AXIS = "axis"
    """A setting was set back."""
    RANKS = "ranks"
    """Ranks of one run were compared with each other."""
    MEASUREMENT = "measurement"
    """A layer was called alone, and the distance of its numbers was measured."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was tried, and how many pairs of runs agreed with and without it."""

    kind: EvidenceKind
    control: str | None = None
    """Name of the source that was held fixed; None where nothing was."""
    held: str | None = None
    """The source in a sentence: "the clock"."""
    equal_pairs: int | None = None
    """Pairs of runs that are equal with the source held; None where no pairs were counted."""
    pairs: int | None = None
    without_equal_pairs: int | None = None
    """Pairs of runs that are equal without the source held."""
    without_pairs: int | None = None
    together_with: tuple[str, ...] = ()
    """The other faults' sources, which were held fixed as well."""
    details: Mapping[str, object] = field(default_factory=dict)
    """Facts that only this kind has; in JSON these keys stand beside the others."""

    def as_dict(self) -> dict[str, object]:
        """Give what is known, as JSON's own types."""
        known = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "details"}
        if self.kind is not EvidenceKind.CONTROL:
            del known["together_with"]
        known = {name: value for name, value in known.items() if value is not None}
        return {**known, "kind": self.kind.value, **self.details}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Evidence:
        """Read what `as_dict` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        together = values.get("together_with", ())
        if not isinstance(together, list | tuple):
            raise TypeError(f"together_with is {together!r}")
        return cls(
            EvidenceKind(str(values["kind"])) if "kind" in values else _kind_of_old(values),
            control=_text("control", values),
            held=_text("held", values),
            equal_pairs=_count("equal_pairs", values),
            pairs=_count("pairs", values),
            without_equal_pairs=_count("without_equal_pairs", values),
            without_pairs=_count("without_pairs", values),
            together_with=tuple(map(str, together)),
            details={name: value for name, value in values.items() if name not in _OWN},
        )


_OWN = frozenset(one.name for one in fields(Evidence)) - {"details"}
_KEYS_OF_OLD = {
    "perturbed": EvidenceKind.PERTURBATION,
    "repeated": EvidenceKind.REPETITION,
    "replay": EvidenceKind.REPLAY,
    "patched": EvidenceKind.PATCH,
    "axis": EvidenceKind.AXIS,
}
"""Keys by which results told the kinds apart before evidence had a `kind`."""


def _kind_of_old(values: Mapping[str, object]) -> EvidenceKind:
    if "control" in values:
        return EvidenceKind.CONTROL
    named = (kind for key, kind in _KEYS_OF_OLD.items() if key in values)
    return next(named, EvidenceKind.MEASUREMENT)


def _count(name: str, values: Mapping[str, object]) -> int | None:
    value = values.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise TypeError(f"{name} is {value!r}")
    return value


def _text(name: str, values: Mapping[str, object]) -> str | None:
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}")
    return value
