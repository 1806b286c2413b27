"""How fast digests are computed on a GPU: against a copy there, and for all of a model in one step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import torch

from detaudit.digest.device import DeviceDigester, digester_for, why_not
from detaudit.model.trace import Level
from tests.benchmarks.speed.models import gpt
from tests.benchmarks.speed.recording import recording_at
from tests.benchmarks.speed.rows import Bar, Row, interleaved, ratios, row_of

PART = "digests on a GPU"
ROUNDS = 15
WARM_UP_ROUNDS = 3
STEPS = 10
"""Of a training in one measurement."""

MIB = 1 << 20
AT_ONCE = 4096 * MIB
"""Bytes of one measurement: many times the cache, and so much that what the host does hardly counts."""

COPY_BAR = Bar(0.7, at_least=True)
MODEL_BAR = Bar(0.005)

LAYERS, WIDTH, VOCABULARY, CONTEXT = 24, 1792, 50_257, 2048


def rows(rounds: int = ROUNDS) -> list[Row]:
    """The rows of this machine's first GPU; none where there is none."""
    if not torch.cuda.is_available():
        return []
    device = torch.device("cuda", 0)
    reason = why_not(device)
    digester = digester_for(device)
    if digester is None:
        raise RuntimeError(f"nothing to measure: {reason}")
    copies = [_copy_row(digester, device, mib, rounds) for mib in (64, 1024)]
    return [*copies, _model_row(digester, device, rounds), *_training_rows(device, rounds)]


def _training_rows(device: torch.device, rounds: int) -> list[Row]:
    """A training step of a model like GPT-2 small, recorded, over the plain step."""
    step = gpt(width=864, layers=12, heads=12, batch=16, length=512, device=device)
    levels = (None, Level.STEP, Level.LAYER)
    plain: list[float] = []
    recorded: list[list[float]] = [[], []]
    for _ in range(rounds):
        for level, seconds in zip(levels, (plain, *recorded), strict=True):
            with contextlib.nullcontext() if level is None else recording_at(level)():
                # What is done once (first values of the weights, kernels, names) is not part of a step.
                step()
                step()
                torch.cuda.synchronize(device)
                ((took,),) = interleaved([lambda: _steps(step, device)], 1)
            seconds.append(took)
    bars = (Bar(1.03), Bar(1.10))
    return [
        row_of(PART, f"training of a GPT with 115 M parameters: {level}", ratios(seconds, plain), bar)
        for level, seconds, bar in zip(levels[1:], recorded, bars, strict=True)
    ]


def _steps(step: Callable[[], None], device: torch.device) -> None:
    for _ in range(STEPS):
        step()
    torch.cuda.synchronize(device)


def _copy_row(digester: DeviceDigester, device: torch.device, mib: int, rounds: int) -> Row:
    """The rate of digests over the rate at which a copy on the device reads."""
    generator = torch.Generator(device).manual_seed(0)
    sources = [
        torch.randint(0, 256, (mib * MIB,), dtype=torch.uint8, device=device, generator=generator)
        for _ in range(AT_ONCE // (mib * MIB))
    ]
    targets = [torch.empty_like(source) for source in sources]

    def copy() -> None:
        for source, target in zip(sources, targets, strict=True):
            target.copy_(source)
        torch.cuda.synchronize(device)

    ours, theirs = _seconds([lambda: _digest(digester, sources), copy], device, rounds)
    return row_of(PART, f"tensors of {mib} MiB: rate of a copy", ratios(theirs, ours), COPY_BAR)


def _model_row(digester: DeviceDigester, device: torch.device, rounds: int) -> Row:
    """Seconds for the weights and gradients of a model with 10^9 parameters, in bfloat16."""
    generator = torch.Generator(device).manual_seed(0)
    tensors = [
        torch.randn(shape, dtype=torch.bfloat16, device=device, generator=generator)
        for shape in 2 * model_shapes()
    ]
    (seconds,) = _seconds([lambda: _digest(digester, tensors)], device, rounds)
    return row_of(PART, "weights and gradients of 10^9 parameters, s", seconds, MODEL_BAR)


def model_shapes() -> list[tuple[int, ...]]:
    """The parameters of a decoder like GPT-2's, as many as 10^9."""
    layer: list[tuple[int, ...]] = [(WIDTH,), (WIDTH,), (WIDTH,), (WIDTH,)]
    for outputs, inputs in ((3, 1), (1, 1), (4, 1), (1, 4)):
        layer += [(outputs * WIDTH, inputs * WIDTH), (outputs * WIDTH,)]
    return [(VOCABULARY, WIDTH), (CONTEXT, WIDTH), *LAYERS * layer, (WIDTH,), (WIDTH,)]


def _digest(digester: DeviceDigester, tensors: Sequence[torch.Tensor]) -> list[bytes]:
    """All digests, on the host."""
    laters = digester.submit([(tensor, number) for number, tensor in enumerate(tensors)])
    return [later.resolve() for later in laters]


def _seconds(actions: Sequence[Callable[[], object]], device: torch.device, rounds: int) -> list[list[float]]:
    """Seconds of each action in each round. Every action ends when the device has done its work."""
    interleaved(actions, WARM_UP_ROUNDS)
    torch.cuda.synchronize(device)
    return interleaved(actions, rounds)
