"""Runs with sketches, and entries, made up for the tests of everything that a lock is about."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from detaudit.model.lock import Block, Entry, LockedTarget
from detaudit.model.plan import RunOutcome
from detaudit.model.sketch import BUCKETS, Sketch
from detaudit.model.trace import Level, Phase
from tests.traces import TraceBuilder, digest_of, module, training_step, weight

ENVIRONMENT = {
    "torch": "2.13.0",
    "cpu": "Intel Something",
    "torch_threads": 2,
    "cpu_capability": "AVX2",
    "default_dtype": "torch.float32",
    "deterministic_algorithms": False,
    "mkldnn": True,
    "numpy": "2.4.6",
    "platform": "Linux",
}
"""What a trace says about where it ran."""

HELD = {"device": "cpu", "cpu": "Intel", "torch": "2.13.0", "threads": "2"}


@dataclass(frozen=True)
class Numbers:
    """A value that is told by its name; `size` is how far it is from the one of that name, relatively."""

    name: object
    size: float = 0.0
    count: int = 12


def sketch_of(value):
    """A sketch that is the same for the same value, and near for a near one."""
    generator = random.Random(repr(value.name))
    sums = [generator.gauss(0, 1) for _ in range(BUCKETS)]
    norm = math.hypot(*sums)
    scaled = tuple(part / norm * (1 + value.size) for part in sums)
    return Sketch(1 + value.size, math.fsum(scaled), scaled, value.count)


def entry(name="w", step=0, *, layer="Net.fc", what="weights", phase="optimizer", size=0.0, count=12):
    value = Numbers((step, layer, what, name), size, count)
    return Entry(step, Phase(phase), layer, what, digest_of(value), sketch_of(value))


def exact(name, step=0, *, layer="Net.fc", what="exact buffers"):
    return replace(entry(name, step, layer=layer, what=what), sketch=None)


def block(*entries, name="train.py", args=(), seed=None, environment=HELD, noted=(), level="layer", steps=1):
    target = LockedTarget(name, tuple(args), seed)
    return Block(target, dict(environment), dict(noted), Level(level), steps, entries or (entry(),))


def recorded(
    path, *, steps=3, environment=(), exit_code=0, initial=None, level="layer", shown=None, **changes
):
    """A trace of a training; `changes` gives for some of its values (`conv`, `weight`) how far they are off.

    A change holds from step 1 on, as that of a learning rate does. `shown` is what an evaluation in each step
    gives, if there is one.
    """
    run = TraceBuilder(path, level=level)
    run.meta(environment={**ENVIRONMENT, **dict(environment)})
    for step in range(steps):
        names = ("batch", "conv", "net", "loss", "grad", "used", "weight", "state")
        values = {name: Numbers((name, step), changes.get(name, 0.0) if step else 0.0) for name in names}
        first = Numbers("initial", initial or 0.0)
        before = [] if step else [weight("conv.weight", first, phase="init", line=2)]
        for value in (*values.values(), first):
            run.writer.add_sketch(digest_of(value), sketch_of(value))
        evaluated = [] if shown is None else [module("", "x", shown, "eval", line=9)]
        run.step(*before, *evaluated, *training_step(step, **values))
    return run.close(exit_code=exit_code)


class Runs:
    """Stands in for `detaudit.run.runs.execute`: no process is started, each run leaves what it is told to.

    `coming` has what the next runs leave (arguments of `recorded`), the last of it that of all further ones.
    """

    def __init__(self):
        self.coming = [{}]
        self.plans = []

    def __call__(self, plan, folder, progress):
        del progress
        self.plans.append(plan)
        return [self._run(str(number), plan, folder) for number in range(1, plan.runs + 1)]

    def _run(self, number, plan, folder):
        values = {"steps": 3, **(self.coming.pop(0) if len(self.coming) > 1 else self.coming[0])}
        own = folder / f"run{number}"
        own.mkdir(parents=True)
        (own / "stderr.txt").write_text("ValueError: no numbers\n" if values.get("exit_code") else "")
        steps = values["steps"] if plan.steps is None else min(plan.steps, values["steps"])
        trace = recorded(own / "main.trace", **{**values, "steps": steps, "level": plan.level.value})
        code = values.get("exit_code", 0)
        return RunOutcome(number, trace, code, 1.0, False, own / "stdout.txt", own / "stderr.txt")  # noqa: FBT003 - as in the class
