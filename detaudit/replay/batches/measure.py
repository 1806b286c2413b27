"""Measure how far a sample's values are apart between two batches, module by module."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from detaudit.model.variation import Apart
from detaudit.replay.batches.calls import CallKey, WatchedCall
from detaudit.replay.batches.rows import Layout, UncuttableError, find_layout
from detaudit.replay.distance import apart
from detaudit.replay.wire.batches import Distance, SampleRow

FORWARD, BACKWARD = "forward", "backward"
INPUT, OUTPUT = "input", "output"
SENT_BACK = "gradient of input"
Layouts = dict[tuple[CallKey, str, int], Layout | None]
"""The positions of samples in each input and output of each call; None if the shapes do not show them."""
ValuePlace = tuple[str, str]
"""A module's path, and a phase."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Position of a sample, size of its batch, and the number of tokens to which it is padded."""

    position: int
    size: int
    tokens: tuple[int, int] | None = None
    """The number of tokens with padding and without; None if the sample is not padded."""

    def with_others(self, count: int) -> list[int]:
        """Return its position, and those of others, so that there are `count` in all."""
        others = [position for position in range(self.size) if position != self.position]
        return [self.position, *others[: count - 1]]

    def crop(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a tensor without the entries that belong to the padding."""
        if self.tokens is None:
            return tensor
        padded, kept = self.tokens
        return tensor[tuple(slice(kept) if size == padded else slice(None) for size in tensor.shape)]


@dataclass(slots=True)
class Record:
    """Values of one run: the calls of all modules, and the gradients of the weights."""

    seat: Seat
    calls: dict[CallKey, WatchedCall]
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    spoilt: bool = False
    """Whether neighbours are not finite: then their zeros times NaN are in the gradients of the weights."""

    def spoilt_since(self, base: Record) -> bool:
        """Say whether modules give infinities or NaN here that give none in another run."""
        return any(
            not _finite(call) and _finite(base.calls[key])
            for key, call in self.calls.items()
            if key in base.calls
        )


@dataclass(slots=True)
class RowTable:
    """All rows, in the order in which they were first seen, and how samples lie in each value."""

    layouts: Layouts
    rows: dict[tuple[str, str, str], SampleRow] = field(default_factory=dict)
    first: dict[ValuePlace, None] = field(default_factory=dict)
    """The places at which the last two compared runs differ, in the order of the forward pass."""
    same: bool | None = None
    """Whether the sample's outputs and gradients are equal in these runs; None if that was not seen."""
    unsettled: set[str] = field(default_factory=set)
    """Modules whose input size depends on the content of the batch, such as a router's experts."""

    def row(self, module: str, phase: str, value: str) -> SampleRow:
        """Return the row of a value; a new one if there is none."""
        return self.rows.setdefault((module, phase, value), SampleRow(module, phase, value))

    def fail(self, key: CallKey, error: UncuttableError) -> None:
        """Note why a call of a module could not be compared, or why the module could not be tried alone."""
        self.row(key[0], FORWARD, OUTPUT).why = str(error)

    def layout(self, key: CallKey, side: str, place: int) -> Layout:
        """Return how samples lie in a value. Raises UncuttableError if that is not known."""
        layout = self.layouts.get((key, side, place))
        if layout is None:
            raise UncuttableError(f"which part of its {side} belongs to a sample cannot be told")
        return layout

    def pairs(
        self,
        key: CallKey,
        side: str,
        one: dict[int, torch.Tensor],
        other: dict[int, torch.Tensor],
        seats: Seats,
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Cut the sample's part out of each of a module's values in two runs. Raises UncuttableError."""
        for place in sorted(one.keys() & other.keys()):
            layout = self.layout(key, side, place)
            if layout.shared:
                continue
            if not all(
                layout.fits(tensor, seat.size)
                for seat, tensor in zip(seats, (one[place], other[place]), strict=True)
            ):
                self.unsettled.add(key[0])
                raise UncuttableError(f"the size of its {side} depends on what is in the batch")
            first, second = (
                seat.crop(layout.take(tensor, [seat.position], seat.size))
                for seat, tensor in zip(seats, (one[place], other[place]), strict=True)
            )
            if first.shape != second.shape:
                shapes = f"{list(first.shape)} in one batch and {list(second.shape)} in another"
                raise UncuttableError(f"a sample's part of its {side} has the shape {shapes}")
            yield first, second

    def compare(self, base: Record, other: Record) -> list[CallKey]:
        """Compare two runs; write the result to `first` and `same`.

        Returns the calls in whose inputs, outputs or gradients there is a difference; whether they make
        the difference themselves is still open.
        """
        self.first, self.same, unclear = {}, None, []
        for key, call in other.calls.items():
            try:
                if self._compare_call(base, other, key, call):
                    unclear.append(key)
            except UncuttableError as error:
                self.fail(key, error)
        for key in [key for key in base.calls if key not in other.calls]:
            self.fail(key, UncuttableError("it is called more often alone than in a batch"))
        self._compare_weights(base, other)
        return unclear

    def origin(self) -> ValuePlace:
        """Return the place where the sample's values first differ between the last two compared runs."""
        found = [one for one in self.first if one[0] not in self.unsettled]
        forward = [one for one in found if one[1] == FORWARD]
        # The backward pass comes to the last module first.
        return forward[0] if forward else found[-1] if found else ("", "")

    def _compare_call(self, base: Record, other: Record, key: CallKey, call: WatchedCall) -> bool:
        ours, seats = base.calls.get(key), (base.seat, other.seat)
        if ours is None:
            raise UncuttableError("it is called more often in a batch than alone")
        if ours.made.keys() != call.made.keys():
            raise UncuttableError("it gives different numbers of values alone and in a batch")
        outputs = list(self.pairs(key, OUTPUT, ours.made, call.made, seats))
        back = list(self.pairs(key, INPUT, ours.of_inputs, call.of_inputs, seats))
        differs = self._add(key[0], FORWARD, OUTPUT, outputs)
        if call.parent is None and outputs:
            self.same = self.same is not False and not differs
        differs = self._add(key[0], BACKWARD, SENT_BACK, back) or differs
        differs = self._weights_differ(base, other, key[0], call) or differs
        if not differs and self._same_inputs(key, ours, call, seats):
            nothing = Distance(Apart(0.0, 0.0, 0, 0), 0.0)
            for row in self.rows.values():
                if row.module == key[0]:
                    enter_alone(row, other.seat, nothing)
            return False
        return True

    def _add(self, path: str, phase: str, value: str, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> bool:
        """Enter distances between two runs; return whether there are any."""
        differs = False
        for one, other in pairs:
            row, found = self.row(path, phase, value), distance(one, other)
            row.propagated = worse(row.propagated, found)
            if found.apart.elements:
                self.first.setdefault((path, phase))
                differs = True
        return differs

    def _weights_differ(self, base: Record, other: Record, path: str, call: WatchedCall) -> bool:
        own = [f"{path}.{name}" if path else name for name, _ in call.module.named_parameters(recurse=False)]
        both = [name for name in own if name in base.weights and name in other.weights]
        return not other.spoilt and any(
            bool((base.weights[name] != other.weights[name]).any()) for name in both
        )

    def _same_inputs(self, key: CallKey, ours: WatchedCall, theirs: WatchedCall, seats: Seats) -> bool:
        if ours.problem or theirs.problem or ours.given.keys() != theirs.given.keys():
            return False
        pairs = self.pairs(key, INPUT, ours.given, theirs.given, seats)
        return not any(apart(*pair).elements for pair in pairs)

    def _compare_weights(self, base: Record, other: Record) -> None:
        before, self.first = self.first, {}
        for name in base.weights:
            if other.spoilt or name not in other.weights:
                continue
            path, _, own = name.rpartition(".")
            # Adding the zeros of the other samples turns -0.0 into 0.0.
            pair = (base.weights[name] + 0.0, other.weights[name] + 0.0)
            if self._add(path, BACKWARD, f"gradient of {own}", [pair]) and self.same:
                self.same = False
        # A module's own weights matter less for where it began than what it sends back.
        self.first = {**self.first, **before}


Seats = tuple[Seat, Seat]


def layouts_of(small: Record, large: Record) -> Layouts:
    """Find how samples lie in all inputs and outputs, from runs with batches of two sizes."""
    found: Layouts = {}
    sizes = (small.seat.size, large.seat.size)
    for key, ours in small.calls.items():
        theirs = large.calls.get(key)
        if theirs is None:
            continue
        for side, one, other in ((INPUT, ours.given, theirs.given), (OUTPUT, ours.made, theirs.made)):
            if one.keys() == other.keys():
                for place, tensor in one.items():
                    found[key, side, place] = find_layout(tensor, other[place], sizes)
    return found


def _finite(call: WatchedCall) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in call.made.values())


def distance(one: torch.Tensor, other: torch.Tensor) -> Distance:
    """Measure how far two values of one shape are apart."""
    found = apart(one, other)
    if not found.elements:
        return Distance(found, 0.0)
    both = torch.stack([one.detach(), other.detach()])
    both = (torch.view_as_real(both) if both.is_complex() else both).double()
    same = (both[0] == both[1]) | (both[0].isnan() & both[1].isnan())
    gap = (both[0] - both[1]).masked_fill(same, 0.0)
    return Distance(found, float(torch.linalg.vector_norm(gap)))


def enter_alone(row: SampleRow, seat: Seat, found: Distance) -> None:
    """Enter the distance for a module that was fed the sample alone instead of in a batch or with padding."""
    if seat.tokens is None:
        row.isolated = worse(row.isolated, found)
    else:
        row.padded = worse(row.padded, found)


def worse(one: Distance | None, other: Distance) -> Distance:
    """Return the larger of two distances; a NaN is the largest."""
    if one is None or math.isnan(other.apart.relative):
        return other
    return one if math.isnan(one.apart.relative) or _size(one) >= _size(other) else other


def _size(one: Distance) -> tuple[float, float, int]:
    return one.apart.relative, one.apart.ulp, one.apart.elements
