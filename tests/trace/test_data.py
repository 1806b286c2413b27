"""What is known of loaders is written, merged and read back; a damaged entry is a clear error."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from detaudit.errors import TraceError
from detaudit.model.data import Fetch, LoaderIteration
from detaudit.model.trace import GeneratorState, StreamRole
from detaudit.trace.data import read_fetches, read_iterations, read_last_batches, read_worker_processes
from detaudit.trace.merge import merge
from detaudit.trace.reader import TraceReader
from tests.traces import TraceBuilder, batch

PASS = LoaderIteration(
    loader=1,
    iteration=0,
    dataset="Data",
    sampler="RandomSampler",
    shuffles=True,
    covers=True,
    iterable=False,
    droppable=None,
    length=12,
    workers=2,
    processes=(70, 71),
    round=0,
    exhausted=False,
)
WORKER = ("loader worker 0", "main", StreamRole.LOADER_WORKER)


@pytest.fixture
def trace(tmp_path):
    """A main process with a pass, and a worker with two batches in it and one in the next."""
    main = TraceBuilder(tmp_path / "main.trace")
    main.stream()
    main.writer.set_iteration(0, PASS)
    main.writer.set_iteration(0, replace(PASS, exhausted=True))
    main.batch(sequence=4, loader=1, iteration=0, index=0, worker=0, samples=(1,), step=3, content=b"c" * 16)
    main.batch(sequence=9, loader=1, iteration=0, index=1, worker=1, samples=None)
    main.close()
    worker = TraceBuilder(tmp_path / "worker.part")
    number = worker.stream(*WORKER)
    for step, (round_, before) in enumerate([(0, "numpy=aa"), (0, ""), (1, "numpy=dd")]):
        worker.writer.add_fetch(number, step, round_=round_, number=step, process=70, before=before)
        worker.step(batch(step), generators=f"numpy=b{step}", stream=WORKER)
    merge(main.path, [worker.close()])
    return main.path


def read_everything(reader):
    for stream in (0, 1):
        list(read_iterations(reader, stream))
        list(reader.batches(stream))
    list(read_worker_processes(reader))
    list(read_fetches(reader, 1, 0, 9))


def test_what_was_written_is_read(trace):
    with TraceReader(trace) as reader:
        assert list(read_iterations(reader, 0)) == [replace(PASS, exhausted=True)]
        assert list(read_iterations(reader, 1)) == []
        assert read_last_batches(reader, 0) == {(1, 0): 9}
        first, second = reader.batches(0)
        assert (first.step, first.content, second.content) == (3, b"c" * 16, None)
        assert list(read_worker_processes(reader)) == [(1, 70)]
        states = [(GeneratorState("numpy", bytes([value])),) for value in (0xAA, 0xB0, 0xB1)]
        assert list(read_fetches(reader, 1, 0, 9)) == [
            Fetch(0, 0, states[0], states[1]),
            Fetch(1, 1, (), states[2]),
        ]
        assert len(list(read_fetches(reader, 1, 0, 1))) == len(list(read_fetches(reader, 1, 1, 9))) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE iterations SET processes='70,x'",
        "UPDATE iterations SET length='many'",
        "UPDATE iterations SET exhausted='yes'",
        "UPDATE fetches SET before='numpy=xyz'",
        "UPDATE fetches SET process='x'",
        "UPDATE batches SET content='text'",
        "UPDATE batches SET samples=CAST('[\"a\"]' AS BLOB)",
    ],
)
def test_a_damaged_entry_is_a_clear_error(trace, statement):
    connection = sqlite3.connect(trace, isolation_level=None)
    connection.execute(statement)
    connection.close()
    with TraceReader(trace) as reader, pytest.raises(TraceError) as caught:
        read_everything(reader)
    assert caught.value.slug == "trace-damaged"
