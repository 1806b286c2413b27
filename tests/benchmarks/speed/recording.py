"""What recording costs: seconds of a training step under each recorder, over those of the plain step."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from detaudit.model.trace import Level
from detaudit.record.install import recording
from detaudit.record.session import Session
from tests.benchmarks.speed.models import MODELS
from tests.benchmarks.speed.rows import Bar, Row, ratios, row_of

PART = "recording"
ROUNDS = 9
BLOCK_SECONDS = 0.4
"""How long each recorder runs in a round, about: many small steps, or one large."""

BARS = {
    "MLP": {"step": 1.2, "layer": 1.5, "op": 4.5},
    "ResNet": {"step": 1.05, "layer": 1.12, "op": 1.4},
    "GPT": {"step": 1.05, "layer": 1.12, "op": 1.4},
}
DEBUG_MODES: dict[str, tuple[str, bool]] = {
    "DebugMode, norm": ("norm", False),
    "DebugMode, hash_tensor": ("hash_tensor", False),
    "DebugMode, hash_tensor, inputs too": ("hash_tensor", True),
}
GOAL = 5.0
"""How many times less overhead than DebugMode with hashes is aimed at, at level `op`."""

Recorder = Callable[[], AbstractContextManager[object]]


class DoNothing(TorchDispatchMode):
    """The least that any tracer of operators in Python costs."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Pass the call on."""
        return func(*args, **(kwargs or {}))


def rows(rounds: int = ROUNDS) -> list[Row]:
    """The rows of all models; each model in a process of its own, with one thread."""
    found: list[Row] = []
    for model in MODELS:
        command = [sys.executable, "-m", "tests.benchmarks.speed.recording", model, str(rounds)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.extend(_rows_of(model, json.loads(done.stdout.splitlines()[-1])))
    return found


def _rows_of(model: str, seconds: dict[str, list[float]]) -> list[Row]:
    plain = seconds.pop("plain")
    over = {name: ratios(one, plain) for name, one in seconds.items()}
    made = [row_of(PART, f"{model}: plain step, ms", [1000 * one for one in plain])]
    for name, values in over.items():
        limit = BARS[model].get(name)
        made.append(row_of(PART, f"{model}: {name}", values, None if limit is None else Bar(limit)))
    for name in DEBUG_MODES:
        less = [(debug - 1) / (ours - 1) for debug, ours in zip(over[name], over["op"], strict=True)]
        made.append(
            row_of(PART, f"{model}: overhead of {name}, over that of op", less, Bar(GOAL, at_least=True))
        )
    return made


def measure(model: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of a step under each recorder, round by round: all recorders take turns in each round."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    step = MODELS[model]()
    recorders = _recorders()
    for _ in range(3):
        step()
    count = max(1, round(BLOCK_SECONDS / _block(contextlib.nullcontext, step, 3)))
    seconds: dict[str, list[float]] = {name: [] for name in recorders}
    for number in range(rounds):
        names = list(recorders) if number % 2 == 0 else list(reversed(recorders))
        for name in names:
            seconds[name].append(_block(recorders[name], step, count))
    return seconds


def _block(recorder: Recorder, step: Callable[[], None], count: int) -> float:
    with recorder() as _:
        # What is done once (first values of the weights, names, schemas) is not part of a step.
        step()
        step()
        start = time.process_time()
        for _ in range(count):
            step()
        return (time.process_time() - start) / count


def _recorders() -> dict[str, Recorder]:
    levels = {level.value: recording_at(level) for level in Level}
    debug = {name: _debug_mode(*options) for name, options in DEBUG_MODES.items()}
    return {"plain": contextlib.nullcontext, **levels, "do-nothing mode": DoNothing, **debug}


def recording_at(level: Level) -> Recorder:
    """Record at a level; a recording that is not whole is an error."""

    @contextlib.contextmanager
    def recorded() -> Iterator[None]:
        with tempfile.TemporaryDirectory() as folder:
            session = Session(folder, level, "benchmark", {}, steps=None, window=None, is_main=True)
            with recording(session) as recorder:
                yield
            if recorder.problems:
                raise RuntimeError(f"the recording is not whole: {list(recorder.problems)}")

    return recorded


def _debug_mode(function: str, inputs: bool) -> Recorder:  # noqa: FBT001 - one of the table above
    from torch.utils._debug_mode import DebugMode

    @contextlib.contextmanager
    def recorded() -> Iterator[None]:
        with DebugMode() as mode, DebugMode.log_tensor_hashes(function, hash_inputs=inputs):
            yield
        if not mode.operators:
            raise RuntimeError("DebugMode recorded nothing")

    return recorded


def main(arguments: Sequence[str]) -> None:
    """Measure one model and print the seconds as JSON."""
    print(json.dumps(measure(arguments[0], int(arguments[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
