"""Run in a process of its own: try a model file's samples alone, in batches, and with other neighbours.

`main` is given a `BatchOrder` as JSON, and leaves a `BatchOutcome`.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from detaudit.model.codec import from_plain, to_plain
from detaudit.replay.batches.measure import Layouts, Record, layouts_of
from detaudit.replay.batches.question import Question, same_outputs, short
from detaudit.replay.batches.samples import CannotTellError, Samples, alone, gather
from detaudit.replay.wire.batches import (
    EVALUATION,
    TRAINING,
    AboutModule,
    BatchAnswer,
    BatchOrder,
    BatchOutcome,
    ModeAnswer,
    SampleRow,
)
from detaudit.targets import drive
from detaudit.torch_private.modules import BatchNorm


@dataclass(frozen=True, slots=True)
class Subject:
    """The model and the samples that are tried."""

    model: nn.Module
    loss_fn: Callable[[Any, Any], Any]
    samples: Samples
    sizes: list[int]
    seed: int

    def question(self, layouts: Layouts, *, training: bool, dtype: torch.dtype | None = None) -> Question:
        """Prepare a question about a copy of the model, so that no question changes the model of another."""
        model, samples = copy.deepcopy(self.model), self.samples
        if not training:
            model.eval()
        if dtype is not None:
            model.to(dtype)
            samples = samples.in_dtype(dtype)
        return Question(model, self.loss_fn, samples, self.sizes, self.seed, layouts, dtype)

    @property
    def asked(self) -> list[int]:
        """The indices of the samples that are tried: the first, and one from the middle of the data."""
        return sorted({0, self.samples.count // 2})


def main(text: str) -> None:
    """Answer the order on the command line."""
    order = from_plain(BatchOrder, json.loads(text), "order")
    # As when it is trained: the model file's folder comes first.
    sys.path.insert(0, os.path.dirname(os.path.abspath(order.path)))
    sys.argv[:] = [order.path]
    try:
        outcome = BatchOutcome(examine(order))
    except CannotTellError as error:
        outcome = BatchOutcome(None, str(error))
    with open(order.answer, "w", encoding="utf-8") as file:
        json.dump(to_plain(outcome), file)


def examine(order: BatchOrder) -> BatchAnswer:
    """Measure everything that the parent process needs for its verdict. Raises CannotTellError."""
    subject = _subject(order)
    layouts: Layouts = {}
    modes: dict[str, ModeAnswer] = {}
    if (evaluated := _in_mode(subject, layouts, training=False)) is not None:
        modes[EVALUATION] = evaluated
    trains = any(module.training for module in subject.model.modules())
    if trains and (found := _in_mode(subject, layouts, training=True)) is not None:
        modes[TRAINING] = found
    return BatchAnswer(
        data=subject.samples.count,
        asked=len(subject.asked),
        root=type(subject.model).__name__,
        modes=modes,
        trains=trains,
        modules={path: _described(module) for path, module in subject.model.named_modules()},
    )


def _subject(order: BatchOrder) -> Subject:
    drive._seed(order.seed)
    model_file = drive._load(order.path)
    model = model_file.make_model()
    sizes = list(order.sizes)
    samples = gather(model_file.make_batches(), 2 * sizes[-1] - 1)
    if samples.count < sizes[-1]:
        raise CannotTellError(
            f"there are only {samples.count} samples of one shape: a batch of {sizes[-1]} cannot be made, "
            f"only a batch of at most {samples.count}"
        )
    loss_fn = getattr(model_file, "loss_fn", drive.default_loss)
    if any(is_lazy(parameter) for parameter in model.parameters()):
        # What is made in the first call is made before anything is compared.
        with torch.no_grad():
            loss_fn(model, samples.select(range(sizes[-1])))
    return Subject(model, loss_fn, samples, sizes, order.seed)


def _in_mode(subject: Subject, layouts: Layouts, *, training: bool) -> ModeAnswer | None:
    """Return the measurements in one mode; None in training mode if evaluation computes the same."""
    question = subject.question(layouts, training=training)
    records = _learn_layouts(question, layouts, training=training)
    if training and records and not question.draws and _same_in_evaluation(subject, layouts, records):
        return None
    problem, other = "", None
    try:
        other = _other_question(subject, question, layouts, training=training)
    except Exception as error:  # noqa: BLE001 - the user's own code, in a dtype it may not be made for
        problem = short(error)
    if other is not None and question.own_dtype is not torch.float64:
        question.suspects = {
            row.module for row in other.table.rows.values() if row.swapped and row.swapped.apart.elements
        }
    for index in subject.asked:
        question.ask(index)
    return ModeAnswer(
        trials=tuple(question.trials.values()),
        rows=_rows(question),
        problems=tuple(question.problems),
        draws=tuple(sorted(question.draws)),
        dtype=str(question.own_dtype).removeprefix("torch."),
        other_rows=None if other is None else _rows(other),
        other_problem=problem,
    )


def _other_question(subject: Subject, question: Question, layouts: Layouts, *, training: bool) -> Question:
    """Measure again in another dtype: rounding errors shrink with the dtype, effects of neighbours do not."""
    dtype = torch.float32 if question.own_dtype is torch.float64 else torch.float64
    other = subject.question(layouts, training=training, dtype=dtype)
    other.draws, other.knows_draws = set(question.draws), True
    for index in subject.asked:
        other.ask(index)
    return other


def _same_in_evaluation(subject: Subject, layouts: Layouts, records: list[Record]) -> bool:
    """Say whether the model gives the same bits in evaluation mode as in these runs in training mode."""
    question = subject.question(layouts, training=False)
    variants = [alone(0, subject.samples.count, record.seat.size) for record in records]
    return all(
        same_outputs(record, question.forward(variant)[0])
        for record, variant in zip(records, variants, strict=True)
    )


def _learn_layouts(question: Question, layouts: Layouts, *, training: bool) -> list[Record]:
    """Find out how samples lie in each value of the model. Raises CannotTellError.

    Returns the runs that tell; none where the model cannot be run alone in training mode.
    """
    sizes, count = question.sizes, question.samples.count
    records = []
    for size in (sizes[0], sizes[-1]):
        try:
            records.append(question.forward(alone(0, count, size))[0])
        except Exception as error:
            if training:
                return []
            hint = "; does a batch of 2 work?" if size == 1 else ""
            message = f"the model cannot be run with a batch of {size}: {short(error)}{hint}"
            raise CannotTellError(message) from error
    question.knows_draws = True
    for place, layout in layouts_of(*records).items():
        layouts.setdefault(place, layout)
    if not question.ends(records[0]):
        shapes = [
            [
                list(tensor.shape)
                for call in record.calls.values()
                if call.parent is None
                for tensor in call.made.values()
            ]
            for record in records
        ]
        question.say(
            f"the model gives no value for each sample: its outputs have the shapes {shapes[0]} for a batch "
            f"of {sizes[0]}, {shapes[1]} for one of {sizes[-1]}"
        )
    return records


def _rows(question: Question) -> tuple[SampleRow, ...]:
    """Collect the measured rows; of modules that could not be settled, only the reason."""
    table = question.table
    for row in table.rows.values():
        if row.module in table.unsettled:
            row.propagated = row.isolated = row.swapped = row.padded = None
    return tuple(table.rows.values())


def _described(module: nn.Module) -> AboutModule:
    return AboutModule(
        kind=type(module).__name__,
        batch_norm=isinstance(module, BatchNorm),
        batch_second=getattr(module, "batch_first", None) is False,
        training=module.training,
    )
