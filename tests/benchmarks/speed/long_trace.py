"""Writes traces of long runs, in the shape that real ones have, without running anything."""

from __future__ import annotations

import random
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from xxhash import xxh3_64_hexdigest

from detaudit.digest.algorithm import ALGORITHM
from detaudit.model.trace import Batch, Kind, Level, Phase, Place, Site, StreamRole
from detaudit.model.version import VERSION
from detaudit.trace.layout import IDENTITY, NO_DIGEST, place_key, site_key
from detaudit.trace.writer import PackedStep, TraceWriter

LAYERS = 5
PARTS = ("linear", "norm", "relu")
"""Modules of each layer; with so many layers, a step has 100 events."""
MODULES = range(3, 3 + LAYERS * len(PARTS) + 1)
"""Positions of the module calls in a step."""
GENERATORS = ("python", "numpy", "torch")
DIGEST = len(NO_DIGEST)
BATCH_SIZE = 32
STEPS_PER_PASS = 1000
STREAM = 1
COMPLETE = True

IDENTITIES = np.dtype([("key", "V8"), ("inputs", "V16"), ("outputs", "V16")])

Array = np.ndarray[Any, np.dtype[Any]]


class Difference(Enum):
    """In what a trace differs from the one without difference."""

    NONE = "equal"
    LAST_STEP = "the last step differs"
    EVERYTHING = "everything differs"
    STRINGS = "strings in every batch differ"


def write_trace(path: Path, steps: int, difference: Difference) -> int:
    """Write the trace of a run of so many steps and return the number of its events."""
    writer = TraceWriter(path)
    places = step_places()
    _describe(writer, places)
    identity = _blank(places)
    sites = b"".join(site_key(site) for _, site in places)
    randomness, other = np.random.default_rng(0), np.random.default_rng(1)
    for step in range(steps):
        _fill(identity, randomness)
        if difference is Difference.EVERYTHING or (difference is Difference.LAST_STEP and step == steps - 1):
            _fill(identity, other)
        elif difference is Difference.STRINGS:
            identity["outputs"][1] = np.void(other.bytes(16))
        _add_batch(writer, step, step * len(places))
        sequences = range(step * len(places), (step + 1) * len(places))
        packed = identity.tobytes(), sites, sequences, _states(step)
        writer.write_step(PackedStep(STREAM, step, 0, COMPLETE, *packed))
    for name, value in {"finished": True, "exit_code": 0, "seconds": 1.0, "overhead_seconds": 0.1}.items():
        writer.set_meta(name, value)
    writer.close()
    return steps * len(places)


def step_places() -> list[tuple[Place, Site]]:
    """The events of a step with SGD and momentum, as the recorder has them at level `layer`."""
    forward, backward, update = (Site("train.py", line, "main", f"line {line}") for line in (30, 31, 32))
    modules = [f"{layer}.{part}" for layer in range(LAYERS) for part in PARTS]
    parameters = [(one, name) for one in modules if "relu" not in one for name in ("weight", "bias")]

    def place(phase: Phase, kind: Kind, module: str | None = None, name: str = "") -> Place:
        return Place(phase, kind, "" if module is None else "Net", module, name)

    return [
        (place(Phase.DATA, Kind.BATCH, name="Images (loader 1)"), forward),
        (place(Phase.DATA, Kind.BATCH_TEXT, name="Images (loader 1)"), forward),
        (place(Phase.DATA, Kind.INPUT, ""), forward),
        *((place(Phase.FORWARD, Kind.MODULE, one), forward) for one in modules),
        (place(Phase.FORWARD, Kind.MODULE, ""), forward),
        (place(Phase.FORWARD, Kind.LOSS), backward),
        *((place(Phase.BACKWARD, Kind.GRAD, *one), backward) for one in parameters),
        *((place(Phase.OPTIMIZER, Kind.GRAD_USED, *one), update) for one in parameters),
        *((place(Phase.OPTIMIZER, Kind.WEIGHT, *one), update) for one in parameters),
        *(
            (place(Phase.OPTIMIZER, Kind.OPTIMIZER_STATE, one, f"{name}.momentum_buffer"), update)
            for one, name in parameters
        ),
    ]


def _blank(places: list[tuple[Place, Site]]) -> Array:
    """The packed events of a step, with their places and no digests yet."""
    identity = np.zeros(len(places), IDENTITIES)
    if identity.itemsize != IDENTITY.size:
        raise AssertionError("the layout of a trace is another one by now")
    identity["key"] = np.array([place_key(place) for place, _ in places], "V8")
    return identity


def _fill(identity: Array, randomness: np.random.Generator) -> None:
    """Give every event digests; only module calls have one of what went in."""
    for name in ("inputs", "outputs"):
        identity[name] = np.frombuffer(randomness.bytes(DIGEST * len(identity)), f"V{DIGEST}")
    identity["inputs"][~np.isin(np.arange(len(identity)), MODULES)] = np.void(NO_DIGEST)


def _describe(writer: TraceWriter, places: list[tuple[Place, Site]]) -> None:
    header = {"detaudit": VERSION, "digest": ALGORITHM, "level": Level.LAYER.value, "target": "train.py"}
    for name, value in {**header, "conditions": {}, "environment": {}, "started": 0.0}.items():
        writer.set_meta(name, value)
    writer.add_stream(STREAM, StreamRole.MAIN, "main", "main")
    for place, site in places:
        writer.add_place(place_key(place), place)
        writer.add_site(site_key(site), site)


def _add_batch(writer: TraceWriter, step: int, sequence: int) -> None:
    """Note where the batch of a step came from."""
    order = random.Random(step)
    samples = tuple(order.sample(range(STEPS_PER_PASS * BATCH_SIZE), BATCH_SIZE))
    content = order.randbytes(DIGEST)
    where = divmod(step, STEPS_PER_PASS)
    writer.add_batch(STREAM, Batch(sequence, 0, *where, None, samples, step, content))


def _states(step: int) -> str:
    """States of the generators at the end of a step, as the file has them."""
    return ",".join(f"{name}={xxh3_64_hexdigest(f'{name} {step}'.encode())}" for name in GENERATORS)
