"""Small traces, written event by event, for the tests of everything that reads one."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from pathlib import Path

from detaudit.model.trace import Batch, Kind, Phase, Place, Site, StreamRole
from detaudit.trace.layout import IDENTITY, NO_DIGEST, NO_SITE, place_key, site_key
from detaudit.trace.merge import settle
from detaudit.trace.writer import PackedStep, TraceWriter

MAIN = ("main", "main", StreamRole.MAIN)


def digest_of(value: object) -> bytes:
    """A digest that is the same for the same value; None stands for nothing."""
    return NO_DIGEST if value is None else hashlib.md5(repr(value).encode(), usedforsecurity=False).digest()


@dataclass
class Happening:
    """One event to be written."""

    phase: str
    kind: str
    name: str = ""
    inputs: object = None
    outputs: object = None
    module: str | None = None
    root: str = "Net"
    line: int | None = 7


def batch(value, **more):
    return Happening("data", "batch", outputs=value, module=None, root="", **more)


def text(value, **more):
    return Happening("data", "batch-text", outputs=value, module=None, root="", **more)


def model_input(value, phase="data", **more):
    return Happening(phase, "input", outputs=value, module="", **more)


def module(path, inputs, outputs, phase="forward", **more):
    return Happening(phase, "module", inputs=inputs, outputs=outputs, module=path, **more)


def operator(name, inputs, outputs, path="", phase="forward", **more):
    return Happening(phase, "op", name, inputs, outputs, module=path, **more)


def loss(value, **more):
    return Happening("forward", "loss", outputs=value, **more)


def gradient(name, value, kind="grad", phase="backward", **more):
    path, _, last = name.rpartition(".")
    return Happening(phase, kind, last, outputs=value, module=path, **more)


def weight(name, value, phase="optimizer", kind="weight", **more):
    path, _, last = name.rpartition(".")
    return Happening(phase, kind, last, outputs=value, module=path, **more)


@dataclass
class TraceBuilder:
    """Writes one trace; `step` is called once for every step of every thread."""

    path: Path
    level: str = "layer"
    digest: str = "test/1"
    target: str = "train.py"
    writer: TraceWriter = field(init=False)

    def __post_init__(self):
        self.writer = TraceWriter(self.path)
        header = {"detaudit": "0.1.0", "digest": self.digest, "level": self.level, "target": self.target}
        self.meta(**header, started=0.0, environment={"torch": "2.13.0"}, conditions={})
        self.streams = {}
        self.steps = {}
        self.sequence = itertools.count()

    def meta(self, **values):
        for key, value in values.items():
            self.writer.set_meta(key, value)
        self.writer.flush()

    def stream(self, process="main", thread="main", role=StreamRole.MAIN):
        key = (process, thread, role)
        if key not in self.streams:
            self.streams[key] = len(self.streams)
            self.writer.add_stream(self.streams[key], role, process, thread)
        return self.streams[key]

    def step(self, *happenings, complete=True, generators="", stream=MAIN, parts=1, copies=()):
        number = self.stream(*stream)
        index = self.steps.get(number, 0)
        size = max(1, -(-len(happenings) // parts))
        chunks = [happenings[at : at + size] for at in range(0, len(happenings), size)] or [()]
        for part, chunk in enumerate(chunks):
            events = self._pack(chunk)
            last = part == len(chunks) - 1
            states = generators if last else ""
            packed = PackedStep(number, index, part, complete and last, *events, states, dict(copies))
            self.writer.write_step(packed)
        self.steps[number] = index + 1
        return self

    def batch(self, **values):
        self.writer.add_batch(0, Batch(**values))

    def _pack(self, happenings):
        identity, sites, sequences = [], [], []
        for one in happenings:
            place = Place(Phase(one.phase), Kind(one.kind), one.root, one.module, one.name)
            key = place_key(place)
            self.writer.add_place(key, place)
            identity.append(IDENTITY.pack(key, digest_of(one.inputs), digest_of(one.outputs)))
            sites.append(self._site(one.line))
            sequences.append(next(self.sequence))
        return b"".join(identity), b"".join(sites), sequences

    def _site(self, line):
        if line is None:
            return NO_SITE
        site = Site("train.py", line, "main", "x = f(x)")
        self.writer.add_site(site_key(site), site)
        return site_key(site)

    def close(self, **meta):
        self.meta(**{"finished": True, "exit_code": 0, "seconds": 1.0, "overhead_seconds": 0.1, **meta})
        self.writer.close()
        settle(self.path)
        return self.path


def training_step(step, **changes):
    """The events of a plain training step; `changes` replaces what an event gives, by its name."""
    value = {"batch": ("b", step), "conv": ("c", step), "net": ("n", step), "loss": ("l", step)}
    value |= {"grad": ("g", step), "used": ("g", step), "weight": ("w", step), "state": ("s", step)}
    value |= changes
    return [
        batch(value["batch"], line=3),
        model_input(value["batch"], line=4),
        module("conv", value["batch"], value["conv"], line=5),
        module("", value["batch"], value["net"], line=4),
        loss(value["loss"], line=6),
        gradient("conv.weight", value["grad"], line=6),
        gradient("conv.weight", value["used"], kind="grad-used", phase="optimizer", line=7),
        weight("conv.weight", value["weight"], line=7),
        Happening(
            "optimizer", "optimizer-state", "weight.exp_avg", outputs=value["state"], module="conv", line=7
        ),
    ]
