"""Answer whether a sample is the same alone, in a batch, at another place or with others, and padded."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detaudit import nested
from detaudit.errors import RunError, UsageError
from detaudit.model.codec import from_plain, to_plain
from detaudit.model.plan import Target, TargetKind
from detaudit.model.variation import LayerNumbers
from detaudit.replay.wire.batches import (
    EVALUATION,
    TRAINING,
    BatchAnswer,
    BatchOrder,
    BatchOutcome,
    ModeAnswer,
)
from detaudit.run import guard
from detaudit.run.options import RunOptions
from detaudit.run.progress import Progress
from detaudit.run.workspace import workspace
from detaudit.torch_private.supported import refuse_older
from detaudit.vary.batch_mixing import Mixing, holds_one, mixing_in, numbers_of, unsettled_in

_START = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from detaudit.replay.batches.ask import main; main(sys.argv[2])"
)
_PACKAGE_PARENT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class BatchVariant:
    """One way to have a sample in a batch, and whether the sample notices."""

    mode: str
    """`evaluation` or `training`."""
    name: str
    """`last of 8`, `padded with zeros to 8`, ..."""
    size: int
    equal: bool | None
    """Whether output and gradients have the same bits as for the sample alone; None if that is not known."""
    module: str
    """The module that makes the first value that differs; empty: the model's own code, or no module."""
    phase: str
    """`forward` or `backward`; empty where nothing differs."""
    why: str
    """The reason why the variant could not be run or compared."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The effects on a sample of a change of its batch."""

    sizes: tuple[int, ...]
    dtype: str = ""
    tried: int = 0
    """The number of samples that were tried."""
    layers: tuple[LayerNumbers, ...] = ()
    """Layers in evaluation mode, in the order of the forward pass; `flagged` where samples are mixed."""
    training: tuple[LayerNumbers, ...] = ()
    """Layers in training mode; empty where the model has none."""
    mixing: tuple[Mixing, ...] = ()
    """The modules that mix samples, those by definition among them."""
    variants: tuple[BatchVariant, ...] = ()
    draws: tuple[str, ...] = ()
    """Operators whose random numbers were replaced by one number for all samples."""
    problems: tuple[str, ...] = ()
    """The reasons why the question is not, or not fully, answered."""
    notes: tuple[str, ...] = ()
    """The things that were not tried, and the things that were done so that samples can be compared."""

    @property
    def equal(self) -> bool:
        """Whether a sample has the same bits in every variant that was tried."""
        return not self.problems and bool(self.variants) and all(one.equal is True for one in self.variants)

    @property
    def rounding(self) -> tuple[LayerNumbers, ...]:
        """The values that a module by itself makes with other bits, without mixing samples.

        Of modules inside of each other the innermost.
        """
        return (*self._rounding(self.layers, EVALUATION), *self._rounding(self.training, TRAINING))

    def _rounding(self, layers: tuple[LayerNumbers, ...], mode: str) -> Iterator[LayerNumbers]:
        mixing = {one.module for one in self.mixing if one.mode == mode}
        found = [one for one in layers if one.isolated is not None and one.isolated.elements]
        modules = {one.module for one in found} | mixing
        for one in found:
            if one.module not in mixing and not holds_one(one.module, modules):
                yield one


def audit_batch(target: Target, options: RunOptions, sizes: Sequence[int], progress: Progress) -> BatchReport:
    """Try samples of a model file in batches of these sizes, and hold them against the smallest.

    Raises UsageError for a target that makes its own batches, and for fewer than two sizes.
    """
    if target.kind is not TargetKind.MODEL_FILE or target.path is None:
        raise UsageError(
            "batch-not-possible",
            f"{target.name} makes its batches itself: their size cannot be varied from outside",
            "audit a model file (make_model and make_batches)",
        )
    chosen = sorted(set(sizes))
    if len(chosen) < 2 or chosen[0] < 1:  # noqa: PLR2004 - a difference needs two
        raise UsageError(
            "batch-sizes", "with one batch size, nothing varies", "give two sizes from 1 on: batch=1,8"
        )
    progress.note(f"trying samples in batches of {', '.join(map(str, chosen))}")
    with workspace(options.keep) as folder:
        try:
            answer = _ask(target.path, options, chosen, folder)
        except RunError as error:
            return BatchReport(tuple(chosen), problems=(error.message,))
    return report_of(answer, tuple(chosen))


def _ask(path: Path, options: RunOptions, sizes: list[int], folder: Path) -> BatchAnswer:
    """Have a process of its own try everything. Raises RunError if it gives no answer."""
    nested.refuse(f"an audit of {path}")
    refuse_older()
    file = (folder / "batch.json").resolve()
    order = BatchOrder(str(path), options.seed, tuple(sizes), str(file))
    command = [sys.executable, "-P", "-c", _START, str(_PACKAGE_PARENT), json.dumps(to_plain(order))]
    done = guard.ask(command, seconds=options.timeout)
    if done.timed_out:
        raise RunError("batch-timeout", f"the samples were not all tried within {options.timeout:g} s")
    if done.code or not file.is_file():
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        last = lines[-1].removeprefix("detaudit: ") if lines else f"exit code {done.code}"
        raise RunError("batch-failed", f"the samples could not be tried: {last}")
    outcome = from_plain(BatchOutcome, json.loads(file.read_text(encoding="utf-8")), file.name)
    if outcome.answer is None:
        raise RunError("batch-unknown", outcome.cannot_tell)
    return outcome.answer


@dataclass(slots=True)
class _Words:
    """The sentences for the user, each one once."""

    problems: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)


def report_of(answer: BatchAnswer, sizes: tuple[int, ...]) -> BatchReport:
    """Judge the measurements of the other process."""
    modes = answer.modes
    mixing = [one for mode, found in modes.items() for one in mixing_in(mode, found, answer.modules)]
    words = _Words()
    for mode, found in modes.items():
        _tell(mode, found, mixing, words)
    for one in mixing:
        if one.ambiguous:
            words.problems.setdefault(
                f"{one.module or answer.root} takes dimension 1 as the batch (batch_first=False): samples "
                "are taken from dimension 0 of the batches here, where it expects time steps"
            )
    _tell_of_draws(modes, words)
    if answer.data == sizes[-1]:
        words.notes.setdefault(f"no other neighbours: the data has only {answer.data} samples of one shape")
    if not any("tokens" in trial.name for found in modes.values() for trial in found.trials):
        words.notes.setdefault(
            "padding to a greater length was not tried: the batches have no attention_mask"
        )
    if answer.trains and TRAINING not in modes:
        words.notes.setdefault("in training mode the model gives the same bits as in evaluation mode")
    layers = {mode: numbers_of(mode, found, answer, mixing) for mode, found in modes.items()}
    return BatchReport(
        sizes,
        modes[EVALUATION].dtype,
        answer.asked,
        layers[EVALUATION],
        layers.get(TRAINING, ()),
        tuple(mixing),
        tuple(_variants(modes)),
        tuple(sorted({name for found in modes.values() for name in found.draws})),
        tuple(words.problems),
        tuple(words.notes),
    )


def _variants(modes: dict[str, ModeAnswer]) -> Iterator[BatchVariant]:
    for mode, found in modes.items():
        for one in found.trials:
            yield BatchVariant(mode, one.name, one.size, one.equal, one.module, one.phase, one.why)


def _tell(mode: str, found: ModeAnswer, mixing: list[Mixing], words: _Words) -> None:
    """Say what kept a mode from being fully compared."""
    for problem in found.problems:
        words.problems.setdefault(problem)
    by_definition = any(one.mode == mode and one.by_definition for one in mixing)
    failed: dict[tuple[bool, str], list[str]] = {}
    for trial in found.trials:
        if trial.equal is not None and trial.why:
            words.notes.setdefault(f"in {mode} mode, {trial.name}: {trial.why}")
        elif trial.equal is None:
            # Batch normalisation refuses a single sample in training, and positions may have an end.
            expected = (by_definition and trial.name == "alone") or "tokens" in trial.name
            failed.setdefault((expected, trial.why), []).append(trial.name)
    for (expected, why), names in failed.items():
        said = words.notes if expected else words.problems
        said.setdefault(f"in {mode} mode, not compared: {'; '.join(names)}: {why}")
    for text in unsettled_in(found, [one for one in mixing if one.mode == mode]):
        words.problems.setdefault(f"in {mode} mode, {text}")


def _tell_of_draws(modes: dict[str, ModeAnswer], words: _Words) -> None:
    drawn = {name for found in modes.values() for name in found.draws}
    if drawn:
        names = ", ".join(sorted(drawn))
        words.notes.setdefault(
            f"random numbers ({names}) were replaced by one number for all samples: dropout keeps everything"
        )
