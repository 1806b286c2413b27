"""Try whether a sample's results depend on its batch, for one model in one mode and one dtype."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from detaudit.replay.batches.calls import CallKey, ModuleWatch
from detaudit.replay.batches.draws import AllFloat64, SameDraws, have_moved, torch_states
from detaudit.replay.batches.isolate import Isolation
from detaudit.replay.batches.measure import OUTPUT, Layouts, Record, RowTable, Seat
from detaudit.replay.batches.rows import UncuttableError
from detaudit.replay.batches.samples import SWAPPED, Samples, Variant, alone, variants
from detaudit.replay.calls.module_call import random_states
from detaudit.replay.distance import apart
from detaudit.replay.wire.batches import SampleTrial
from detaudit.targets import drive

_LEAST_PADDING = 3
SPOILT = "infinities or NaN in the rest of the batch: gradients of weights are not compared"
Cotangents = dict[tuple[CallKey, int], torch.Tensor]
"""A gradient for each output of the model: by the call of an outermost module, and the output's position."""


@dataclass
class Question:
    """One model in one mode and dtype, with the samples that are tried."""

    model: nn.Module
    loss_fn: Callable[[Any, Any], Any]
    samples: Samples
    sizes: list[int]
    seed: int
    layouts: Layouts
    dtype: torch.dtype | None = None
    """The dtype of the model and its samples in this question; None for the model's own."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trials: dict[str, SampleTrial] = field(default_factory=dict)
    suspects: set[str] | None = None
    """The modules that are tried with other neighbours; None for all."""
    draws: set[str] = field(default_factory=set)
    """Operators that draw random numbers."""
    knows_draws: bool = False
    """Whether all such operators are known: the model ran in batches of several sizes."""

    casts: bool | None = None
    """Whether the model itself asks for a lower dtype than float64; None if that is not known yet."""

    def __post_init__(self) -> None:
        self.watch = ModuleWatch(self.model)
        self.table = RowTable(self.layouts)
        self.alone = Isolation(self.table, self._settings)

    @property
    def own_dtype(self) -> torch.dtype:
        """The dtype of the model's first weights."""
        weights = (one.dtype for one in self.model.parameters() if one.is_floating_point())
        return next(weights, torch.get_default_dtype())

    def forward(self, variant: Variant) -> tuple[Record, Any]:
        """Run the model and its loss on a batch."""
        drive._seed(self.seed)
        batch, before = variant.make(self.samples), torch_states()
        with self._settings():
            loss = self.watch.run(lambda: self.loss_fn(self.model, batch))
        if (
            have_moved(before)
            and self.knows_draws
            and not any("draws random" in one for one in self.problems)
        ):
            self.say("the model draws random numbers, and how many it draws may depend on the batch")
        return Record(variant.seat, self.watch.calls), loss

    @contextmanager
    def _settings(self) -> Iterator[None]:
        """Set the requested dtype for the block, and give each sample the same random numbers."""
        with ExitStack() as stack:
            if self.draws or not self.knows_draws:
                mode = stack.enter_context(SameDraws())
                stack.callback(self._drawn, mode)
            if self.dtype is not None:
                stack.callback(torch.set_default_dtype, torch.get_default_dtype())
                torch.set_default_dtype(self.dtype)
            if self.dtype is torch.float64 and self.casts is not False:
                raising = stack.enter_context(AllFloat64())
                stack.callback(self._cast, raising)
            yield

    def _cast(self, mode: AllFloat64) -> None:
        self.casts = self.casts or mode.raised

    def _drawn(self, mode: SameDraws) -> None:
        self.draws |= mode.replaced
        for name in sorted(mode.left):
            self.say(
                f"the model draws random numbers ({name}), and how many it draws may depend on the batch"
            )

    def say(self, problem: str) -> None:
        """Note a reason why the answer is not known, once."""
        if problem not in self.problems:
            self.problems.append(problem)

    def ask(self, index: int) -> None:
        """Try one sample in all its variants."""
        base_name, base, gradients = self._first(index)
        self._finite(base)
        kept: dict[str, Record] = {}
        for variant in variants(index, self.samples, self.sizes, self._padded_length(base)):
            record = base
            if variant.name != base_name:
                trial = self.trials.setdefault(variant.name, SampleTrial(variant.name, variant.seat.size))
                tried = self._try(variant, gradients, trial)
                if tried is None:
                    continue
                record = tried
                self._hold(base, record, trial)
            if variant.seat.size == self.sizes[-1]:
                kept[variant.kind] = record
        for one, other in SWAPPED:
            if one in kept and other in kept:
                self.alone.swap(kept[one], kept[other], self.suspects)

    def _hold(self, base: Record, record: Record, trial: SampleTrial) -> None:
        """Compare a run with the first one, and enter the result into its trial."""
        record.spoilt = record.spoilt_since(base)
        self.alone.isolate(self.sizes[0], record, self.table.compare(base, record))
        if self.table.same is None:
            trial.equal, trial.why = None, "no value that the model gives for the sample could be compared"
        elif not self.table.same and trial.equal:
            trial.equal, (trial.module, trial.phase) = False, self.table.origin()
        if record.spoilt and trial.equal is not None:
            trial.why = SPOILT

    def _first(self, index: int) -> tuple[str, Record, Cotangents]:
        """Return the run that all others are compared with: the sample alone, or else first in a batch."""
        variant = alone(index, self.samples.count, self.sizes[0])
        try:
            base, gradients = self._base(variant)
        except Exception as error:  # noqa: BLE001 - the user's own code, with a batch it may not be made for
            self.trials[variant.name] = SampleTrial(variant.name, self.sizes[0], None, why=short(error))
            variant = alone(index, self.samples.count, self.sizes[-1])
            base, gradients = self._base(variant)
        self._backward(base, gradients)
        return variant.name, base, gradients

    def _finite(self, base: Record) -> None:
        for key, place in self.ends(base):
            output = base.calls[key].made[place]
            if not bool(self._own(key, place, output, base.seat).isfinite().all()):
                self.say("the sample's output is not finite: it shows nothing if NaN equals NaN")

    def _base(self, variant: Variant) -> tuple[Record, Cotangents]:
        """Run the sample alone; return the run and the gradients of the loss by the model's outputs."""
        record, loss = self.forward(variant)
        drawn = random_states()
        gradients: Cotangents = {}
        if isinstance(loss, torch.Tensor) and loss.requires_grad:
            with self._settings():
                loss.sum().backward()
            self.watch.weight_gradients()
            for key, place in self.ends(record):
                found = record.calls[key].gradients.get(place)
                if found is not None:
                    gradients[key, place] = self._own(key, place, found, record.seat)
        again, _ = self.forward(variant)
        if drawn != random_states() or not same_outputs(record, again):
            self.say("two runs with the same sample alone are not the same: audit without --vary first")
        return again, gradients

    def _own(self, key: CallKey, place: int, tensor: torch.Tensor, seat: Seat) -> torch.Tensor:
        return self.table.layout(key, OUTPUT, place).take(tensor, [seat.position], seat.size)

    def ends(self, record: Record) -> list[tuple[CallKey, int]]:
        """Return the outputs of the model that have a part for each sample."""
        return [
            (key, place)
            for key, call in record.calls.items()
            if call.parent is None
            for place in call.made
            if (layout := self.layouts.get((key, OUTPUT, place))) is not None and not layout.shared
        ]

    def _backward(self, record: Record, gradients: Cotangents) -> None:
        """Propagate the sample's own gradient back, and none for the rest of its batch."""
        seat, cotangents = record.seat, {}
        for (key, place), gradient in gradients.items():
            call, layout = record.calls.get(key), self.layouts[key, OUTPUT, place]
            if call is None or layout is None or not call.alive[place].requires_grad:
                raise UncuttableError("the model is not called equally often alone and in a batch")
            whole = torch.zeros_like(call.alive[place], requires_grad=False)
            part = torch.zeros_like(layout.take(whole, [seat.position], seat.size))
            seat.crop(part).copy_(gradient)
            cotangents[key, place] = layout.put(whole, part, [seat.position], seat.size)
        with self._settings():
            record.weights = self.watch.backward(cotangents) if cotangents else self.watch.weight_gradients()

    def _try(self, variant: Variant, gradients: Cotangents, trial: SampleTrial) -> Record | None:
        try:
            record, _ = self.forward(variant)
            self._backward(record, gradients)
        except Exception as error:  # noqa: BLE001 - the user's own code, run with batches that it may not be made for
            trial.equal, trial.why = None, short(error)
            return None
        return record

    def _padded_length(self, base: Record) -> int | None:
        """Return a length that no tensor of the model has in any dimension; None if there is no mask."""
        if not self.samples.has_mask:
            return None
        calls = base.calls.values()
        taken = {
            size
            for call in calls
            for tensor in (*call.given.values(), *call.made.values())
            for size in tensor.shape
        }
        length = int(self.samples.batch["attention_mask"].shape[1]) + _LEAST_PADDING
        while length in taken:
            length += 1
        return length


def short(error: BaseException) -> str:
    """Describe an error in one line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def same_outputs(one: Record, other: Record) -> bool:
    """Say whether all modules gave the same bits in two runs on equal batches."""
    if one.calls.keys() != other.calls.keys():
        return False
    pairs = [
        pair
        for key, call in one.calls.items()
        for pair in zip(call.made.values(), other.calls[key].made.values(), strict=False)
    ]
    return all(first.shape == second.shape and not apart(first, second).elements for first, second in pairs)
