"""Measures `detaudit diff FOLDER FOLDER` on synthetic traces: `python -m tests.benchmarks.many_ranks FOLDER`.

Each rank has a file of its own in the first folder. In the second folder, a rank that agrees is a hard link
to that file, and one that differs has its own: from step 3 on rank N/2, from step 4 on all ranks behind it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from detaudit.digest.algorithm import ALGORITHM
from detaudit.model.trace import Kind, Level, Phase, Place, Rank, Site, StreamRole
from detaudit.model.version import VERSION
from detaudit.trace.layout import IDENTITY, NO_DIGEST, place_key, site_key
from detaudit.trace.merge import settle
from detaudit.trace.writer import PackedStep, TraceWriter

KINDS = (
    (Phase.FORWARD, Kind.MODULE, ""),
    (Phase.BACKWARD, Kind.GRAD, "weight"),
    (Phase.OPTIMIZER, Kind.GRAD_USED, "weight"),
    (Phase.OPTIMIZER, Kind.WEIGHT, "weight"),
)
SITE = Site("train.py", 30, "main", "loss.backward()")


def write_trace(path: Path, steps: int, events: int, differs_from: int | None) -> None:
    """Write the trace of one rank; its values are others from a step on."""
    places = [
        Place(phase, kind, "Net", str(layer), name)
        for phase, kind, name in KINDS
        for layer in range(events // len(KINDS))
    ]
    writer = TraceWriter(path)
    writer.add_stream(1, StreamRole.MAIN, "rank 0", "main")
    for place in places:
        writer.add_place(place_key(place), place)
    writer.add_site(site_key(SITE), SITE)
    keys, sites = [place_key(place) for place in places], site_key(SITE) * len(places)
    for step in range(steps):
        values = np.random.default_rng((step, differs_from is not None and step >= differs_from))
        digests = values.bytes(len(NO_DIGEST) * len(keys))
        identity = b"".join(
            IDENTITY.pack(key, NO_DIGEST, digests[16 * at : 16 * at + 16]) for at, key in enumerate(keys)
        )
        sequences = range(step * len(keys), (step + 1) * len(keys))
        writer.write_step(PackedStep(1, step, 0, True, identity, sites, sequences, f"torch={step:032x}"))  # noqa: FBT003 - complete
    header = {"detaudit": VERSION, "digest": ALGORITHM, "level": Level.LAYER.value, "target": "train.py"}
    about = {"conditions": {}, "environment": {}, "started": 0.0, "finished": True, "exit_code": 0}
    for name, value in {**header, **about, "seconds": 1.0, "launch": ["one"]}.items():
        writer.set_meta(name, value)
    writer.close()
    settle(path)


def write_launches(folder: Path, ranks: int, steps: int, events: int) -> None:
    """Write both folders."""
    originals = {name: folder / f"{name}.original" for name in ("usual", "early", "late")}
    for name, differs_from in (("usual", None), ("early", 3), ("late", 4)):
        write_trace(originals[name], steps, events, differs_from)
    for launch in ("a", "b"):
        (folder / launch).mkdir()
    for number in range(ranks):
        ours, theirs = (folder / launch / f"rank-{number:05d}.trace" for launch in ("a", "b"))
        _as_rank(originals["usual"], ours, number, ranks, steps)
        if number < ranks // 2:
            os.link(ours, theirs)
        else:
            _as_rank(originals["early" if number == ranks // 2 else "late"], theirs, number, ranks, steps)


def _as_rank(original: Path, path: Path, number: int, ranks: int, steps: int) -> None:
    shutil.copyfile(original, path)
    rank = Rank(number, ranks, "a", finished=True, steps=steps, data_parallel=tuple(range(ranks)))
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE streams SET process=?", (rank.name,))
        connection.execute("INSERT INTO meta VALUES ('ranks', ?)", (json.dumps([asdict(rank)]),))
    connection.close()


def main() -> None:
    """Write the traces and compare them in a process of its own, whose time and memory are told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name, usual in (("ranks", 1000), ("steps", 1000), ("events", 200)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args()
    if not (asked.folder / "a").exists():
        began = time.perf_counter()
        write_launches(asked.folder, asked.ranks, asked.steps, asked.events)
        print(f"written in {time.perf_counter() - began:.0f} s")
    for launches in (("a", "a"), ("a", "b")):
        command = [sys.executable, "-m", "detaudit", "diff", *(str(asked.folder / one) for one in launches)]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{' and '.join(launches)}: exit {done.returncode}, {seconds:.1f} s, at most {memory:.0f} MB")
        print("\n".join(line for line in done.stdout.splitlines() if "rank" in line) + done.stderr)


if __name__ == "__main__":
    main()
