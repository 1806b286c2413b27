"""List all the ways to have a sample in a batch: alone, first, last, with other neighbours, padded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from detaudit.replay.batches.measure import Seat
from detaudit.replay.batches.samples import Samples

FIRST, MIDDLE, LAST = "first of {size}", "in the middle of {size}", "last of {size}"
FIRST_OTHERS, LAST_OTHERS = f"{FIRST} with other neighbours", f"{LAST} with other neighbours"
ZEROS, COPIES = "padded with zeros to {size}", "padded with copies of itself to {size}"
SWAPPED = ((FIRST, FIRST_OTHERS), (FIRST, COPIES), (LAST, LAST_OTHERS))
"""Pairs in which the sample has the same position and other neighbours."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to have a sample in a batch."""

    kind: str
    """Its name, without the size of the batch."""
    seat: Seat
    make: Callable[[Samples], Any]
    """Makes the batch."""

    @property
    def name(self) -> str:
        """Its name, for a reader."""
        return self.kind.format(size=self.seat.size)


def alone(index: int, count: int, size: int) -> Variant:
    """Return the variant that others are compared with: the sample alone, or first in the smaller batch."""
    others = [one for one in range(count) if one != index]
    kind = "alone" if size == 1 else FIRST
    return Variant(kind, Seat(0, size), lambda samples: samples.select([index, *others[: size - 1]]))


def variants(index: int, samples: Samples, sizes: list[int], padded: int | None) -> Iterator[Variant]:
    """List all the ways to have a sample in a batch."""
    others = [one for one in range(samples.count) if one != index]

    def among(kind: str, position: int, neighbours: list[int]) -> Variant:
        chosen = [*neighbours[:position], index, *neighbours[position:]]
        return Variant(kind, Seat(position, len(chosen)), lambda one: one.select(chosen))

    for size in sizes[1:]:
        near, far = others[: size - 1], others[::-1][: size - 1]
        yield among(FIRST, 0, near)
        if size > 2:  # noqa: PLR2004 - first and last are all there is
            yield among(MIDDLE, size // 2, near)
        yield among(LAST, size - 1, near)
        if samples.count > size:
            yield among(FIRST_OTHERS, 0, far)
            yield among(LAST_OTHERS, size - 1, far)
        yield Variant(ZEROS, Seat(0, size), partial(Samples.with_zeros, index=index, size=size))
        yield among(COPIES, 0, [index] * (size - 1))
    if padded is not None and sizes[0] == 1:
        length = int(samples.batch["attention_mask"].shape[1])
        seat = Seat(0, 1, (padded, length))
        yield Variant(
            f"padded from {length} to {padded} tokens",
            seat,
            lambda one: one.lengthened(index, padded - length),
        )
