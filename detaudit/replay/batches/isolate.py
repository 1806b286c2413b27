"""Call each module alone: on a sample by itself and in its batch, and with other neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from detaudit.replay.batches.calls import CallKey, Evaluated, Tensors, WatchedCall, evaluate
from detaudit.replay.batches.measure import (
    BACKWARD,
    FORWARD,
    INPUT,
    OUTPUT,
    SENT_BACK,
    Record,
    RowTable,
    Seat,
    distance,
    enter_alone,
    worse,
)
from detaudit.replay.batches.rows import UncuttableError
from detaudit.replay.calls.replay import each_once
from detaudit.replay.wire.batches import Distance, SampleRow

_NOT_ALIKE = "its batches have other shapes or settings with other neighbours"


@dataclass(frozen=True, slots=True)
class Isolation:
    """Calls the modules of a model again, with their inputs of a run or with a part of these."""

    table: RowTable
    settings: Callable[[], AbstractContextManager[None]]
    """The context in which a module is called."""

    def isolate(self, count: int, record: Record, keys: list[CallKey]) -> None:
        """Feed modules the batch of a run, then the sample in a batch of `count`, and compare the results."""
        for key in keys:
            call, seat = record.calls[key], record.seat
            small = Seat(0, min(count, seat.size))
            try:
                _check(call)
                cut = self._cut(key, call, seat, count)
                whole = self._evaluate(call, call.leaves, self._cotangents(key, call, seat))
                own = self._cotangents_alone(key, call, seat, count)
                alone = self._evaluate(call, cut, own)
                for row, found in self._distances(key, alone, whole, (small, seat), spoilt=record.spoilt):
                    enter_alone(row, seat, found)
            except UncuttableError as error:
                self.table.fail(key, error)

    def swap(self, first: Record, second: Record, modules: set[str] | None) -> None:
        """Feed modules of a run the neighbours of another run, and compare the results of the sample.

        `modules` are those that are tried; None: all.
        """
        for key, call in first.calls.items():
            if modules is not None and key[0] not in modules:
                continue
            try:
                leaves = self._mixed(key, call, second.calls.get(key), first.seat)
                gradients = self._cotangents(key, call, first.seat)
                ours = self._evaluate(call, call.leaves, gradients)
                mixed = self._evaluate(call, leaves, gradients)
                seats, spoilt = (first.seat, first.seat), first.spoilt or second.spoilt
                for row, found in self._distances(key, ours, mixed, seats, spoilt=spoilt):
                    row.swapped = worse(row.swapped, found)
            except UncuttableError as error:
                self.table.fail(key, error)

    def _evaluate(self, call: WatchedCall, leaves: list[Any], cotangents: Tensors) -> Evaluated:
        with self.settings():
            return evaluate(call, leaves, cotangents)

    def _cut(self, key: CallKey, call: WatchedCall, seat: Seat, count: int) -> list[Any]:
        """Cut a call's arguments to the sample and `count - 1` of its neighbours."""
        places = {id(tensor): place for place, tensor in call.given.items()}

        def cut(tensor: torch.Tensor) -> torch.Tensor:
            layout = self.table.layout(key, INPUT, places[id(tensor)])
            if not layout.fits(tensor, seat.size):
                raise UncuttableError(_NOT_ALIKE)
            return seat.crop(layout.take(tensor, seat.with_others(count), seat.size))

        return each_once(call.leaves, cut)

    def _mixed(self, key: CallKey, call: WatchedCall, theirs: WatchedCall | None, seat: Seat) -> list[Any]:
        """Mix a call's arguments for the sample with another call's arguments for the neighbours."""
        _check(call)
        if theirs is None or theirs.problem or call.settings != theirs.settings:
            raise UncuttableError(_NOT_ALIKE)
        places, others = {id(tensor): place for place, tensor in call.given.items()}, theirs.given

        def mix(tensor: torch.Tensor) -> torch.Tensor:
            place = places[id(tensor)]
            if len(others) != len(places) or place not in others or others[place].shape != tensor.shape:
                raise UncuttableError(_NOT_ALIKE)
            layout = self.table.layout(key, INPUT, place)
            if not layout.fits(tensor, seat.size):
                raise UncuttableError(_NOT_ALIKE)
            own = layout.take(tensor, [seat.position], seat.size)
            return layout.put(others[place], own, [seat.position], seat.size)

        return each_once(call.leaves, mix)

    def _cotangents(self, key: CallKey, call: WatchedCall, seat: Seat) -> Tensors:
        """Return the gradients of a call's outputs for the sample, and zeros for neighbours and padding."""
        found: Tensors = {}
        for place, gradient in call.gradients.items():
            layout = self.table.layout(key, OUTPUT, place)
            if not layout.shared:
                all_of_it = layout.take(gradient, [seat.position], seat.size)
                own = torch.zeros_like(all_of_it)
                seat.crop(own).copy_(seat.crop(all_of_it))
                found[place] = layout.put(torch.zeros_like(gradient), own, [seat.position], seat.size)
        return found

    def _cotangents_alone(self, key: CallKey, call: WatchedCall, seat: Seat, count: int) -> Tensors:
        """Return the sample's gradients in a batch of `count` in which the sample comes first."""
        found: Tensors = {}
        for place, gradient in call.gradients.items():
            layout = self.table.layout(key, OUTPUT, place)
            if not layout.shared:
                own = seat.crop(layout.take(gradient, [seat.position], seat.size))
                some = seat.crop(layout.take(gradient, seat.with_others(count), seat.size))
                found[place] = layout.put(torch.zeros_like(some), own, [0], min(count, seat.size))
        return found

    def _distances(
        self, key: CallKey, one: Evaluated, other: Evaluated, seats: tuple[Seat, Seat], *, spoilt: bool
    ) -> Iterator[tuple[SampleRow, Distance]]:
        """Measure how far the sample's values of two evaluations are apart, each with its row."""
        for pair in self.table.pairs(key, OUTPUT, one.outputs, other.outputs, seats):
            yield self.table.row(key[0], FORWARD, OUTPUT), distance(*pair)
        for pair in self.table.pairs(key, INPUT, one.input_gradients, other.input_gradients, seats):
            yield self.table.row(key[0], BACKWARD, SENT_BACK), distance(*pair)
        for name in one.weight_gradients:
            if spoilt or name not in other.weight_gradients:
                continue
            # Adding the zeros of the other samples turns -0.0 into 0.0.
            pair = (one.weight_gradients[name] + 0.0, other.weight_gradients[name] + 0.0)
            yield self.table.row(key[0], BACKWARD, f"gradient of {name}"), distance(*pair)


def _check(call: WatchedCall) -> None:
    """Raise UncuttableError where a call cannot be made again."""
    if call.problem:
        raise UncuttableError(call.problem)
