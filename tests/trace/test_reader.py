"""A trace is data: a damaged, foreign or hostile one is a clear error, and a killed run's is readable."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from detaudit.errors import TraceError
from detaudit.model.trace import Batch, Kind, StreamRole
from detaudit.trace.data import read_states
from detaudit.trace.layout import APPLICATION_ID, FORMAT_VERSION, is_trace
from detaudit.trace.merge import merge, settle
from detaudit.trace.reader import TraceReader
from tests.traces import TraceBuilder, digest_of, training_step


@pytest.fixture
def trace(tmp_path):
    """A trace of three steps and an unfinished fourth."""
    builder = TraceBuilder(tmp_path / "run.trace")
    for step in range(3):
        builder.step(
            *training_step(step), generators=f"torch={step:02x},python=aa", parts=2 if step == 1 else 1
        )
    builder.step(*training_step(3)[:2], complete=False)
    return builder.close()


def read_everything(path):
    with TraceReader(path) as reader:
        assert reader.info
        for stream in reader.streams:
            for head in reader.heads(stream.id):
                reader.step(stream.id, head.index)
                read_states(reader, head.states)
            list(reader.batches(stream.id))


def test_sequence_numbers_that_other_threads_took_leave_gaps(tmp_path):
    """Numbers come back as they were given, whether or not they follow each other."""
    builder = TraceBuilder(tmp_path / "run.trace")
    builder.sequence = iter([*range(7, 16), *range(20, 29), 2**33, *range(2**33 + 5, 2**33 + 13)])
    for step in range(3):
        builder.step(*training_step(step))

    with TraceReader(builder.close()) as reader:
        numbers = [[event.sequence for event in reader.step(0, step).events] for step in range(3)]

    assert numbers[0] == list(range(7, 16))
    assert numbers[1] == list(range(20, 29))
    assert numbers[2] == [2**33, *range(2**33 + 5, 2**33 + 13)]


def test_many_equal_steps_take_little_more_than_their_digests(tmp_path):
    """Of 40 bytes that an event is compared by, most of a long trace consists."""
    builder = TraceBuilder(tmp_path / "run.trace")
    for step in range(500):
        builder.step(*training_step(step), *training_step(step), *training_step(step))

    assert builder.close().stat().st_size / (500 * 27) < 50


def change(path, *statements):
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def slug_of(path):
    with pytest.raises(TraceError) as caught:
        read_everything(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value.slug


def test_what_was_written_is_read(trace):
    with TraceReader(trace) as reader:
        heads = list(reader.heads(0))
        step = reader.step(0, 1)
        assert [(head.index, head.complete, head.events) for head in heads] == [
            (0, True, 9),
            (1, True, 9),
            (2, True, 9),
            (3, False, 2),
        ]
        assert [state.name for state in read_states(reader, heads[0].states)] == ["torch", "python"]
        assert step.digest == heads[1].digest
        assert step.events[2].place.module == "conv"
        assert step.events[2].outputs == digest_of(("c", 1))
        assert step.events[0].inputs is None
        assert step.events[0].site.line == 3
        assert [event.sequence for event in step.events] == list(range(9, 18))
        assert (reader.event_count, reader.steps_completed(0)) == (29, 3)


def test_a_step_that_is_not_there_is_a_key_error(trace):
    with TraceReader(trace) as reader, pytest.raises(KeyError):
        reader.step(0, 7)


def test_where_batches_came_from_is_read(tmp_path):
    builder = TraceBuilder(tmp_path / "run.trace")
    builder.stream()
    given = {"loader": 0, "iteration": 1, "index": 2}
    builder.batch(sequence=0, worker=1, samples=(3, 4), **given)
    builder.batch(sequence=1, worker=None, samples=None, **given)
    with TraceReader(builder.close()) as reader:
        assert list(reader.batches(0)) == [
            Batch(sequence=0, worker=1, samples=(3, 4), **given),
            Batch(sequence=1, worker=None, samples=None, **given),
        ]


def test_reading_leaves_nothing_beside_the_file(trace):
    read_everything(trace)
    assert [path.name for path in trace.parent.iterdir()] == [trace.name]


def test_a_name_with_odd_characters_is_opened(trace):
    odd = trace.with_name("a?b#c%20\udcff.trace")
    trace.rename(odd)
    read_everything(odd)


def test_half_characters_in_names_are_escaped(tmp_path):
    builder = TraceBuilder(tmp_path / "run.trace", target="train.py")
    event = training_step(0)[2]
    event.module = "m\udcff"
    builder.step(event)
    with TraceReader(builder.close()) as reader:
        assert reader.step(0, 0).events[0].place.module == "m\\udcff"


def test_a_killed_run_leaves_its_complete_steps(tmp_path):
    program = (
        "import os, signal\nfrom pathlib import Path\nfrom tests.traces import TraceBuilder, training_step\n"
        f"run = TraceBuilder(Path({str(tmp_path / 'run.trace')!r}))\n"
        "for step in range(3):\n    run.step(*training_step(step))\n"
        "run.writer.set_meta('exit_code', 7)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, check=False)
    assert ended.returncode == -signal.SIGKILL
    for _ in ("as it was left", "after settling"):
        with TraceReader(tmp_path / "run.trace") as reader:
            assert reader.steps_completed(0) == 3
            assert len(reader.step(0, 2).events) == 9
            assert (reader.info.finished, reader.info.exit_code) == (False, None)
        settle(tmp_path / "run.trace")
    assert [path.name for path in tmp_path.iterdir()] == ["run.trace"]


def test_a_missing_file(tmp_path):
    assert slug_of(tmp_path / "none.trace") == "trace-missing"


def test_a_folder(tmp_path):
    assert slug_of(tmp_path) == "trace-missing"


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.trace").touch()
    assert slug_of(tmp_path / "empty.trace") == "trace-empty"


@pytest.mark.parametrize("content", [b"{}", b"SQLite format 3\0", os.urandom(5000)])
def test_a_foreign_file(tmp_path, content):
    (tmp_path / "foreign.trace").write_bytes(content)
    assert slug_of(tmp_path / "foreign.trace") == "trace-foreign"


def test_another_database(tmp_path):
    change(tmp_path / "other.db", "CREATE TABLE t (a)")
    assert slug_of(tmp_path / "other.db") == "trace-foreign"


def test_a_newer_version(trace):
    change(trace, f"PRAGMA user_version={FORMAT_VERSION + 1}")
    assert slug_of(trace) == "trace-version"


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9, 0.99])
def test_a_cut_file(trace, share):
    content = trace.read_bytes()
    trace.write_bytes(content[: int(len(content) * share)])
    assert slug_of(trace) == "trace-damaged"


def test_flipped_bytes_are_an_error_or_are_read_and_never_anything_else(trace):
    content = trace.read_bytes()
    damaged = trace.with_name("damaged.trace")
    for at in range(100, len(content), 97):
        damaged.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            read_everything(damaged)
        except TraceError:
            continue


HOSTILE = {
    "a view in place of a table": ["DROP TABLE batches", "CREATE VIEW batches AS SELECT * FROM steps"],
    "a trigger": ["CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM steps; END"],
    "an index on an expression": ["CREATE INDEX i ON steps (abs(step))"],
    "one more table": ["CREATE TABLE more (a)"],
    "a missing table": ["DROP TABLE batches"],
    "a step whose events are cut": ["UPDATE packed SET identity=substr(identity, 2)"],
    "a count that is not a number": ["UPDATE steps SET events='many'"],
    "a digest that is a number": ["UPDATE steps SET digest=1000000000000"],
    "a negative count": ["UPDATE steps SET events=-1"],
    "an unknown phase": ["UPDATE places SET phase='lunch'"],
    "a place that is not there": ["DELETE FROM places"],
    "a line that is not a number": ["UPDATE sites SET line='seven'"],
    "generators that are not hexadecimal": ["UPDATE steps SET generators='torch=xyz'"],
    "an unknown role": ["UPDATE streams SET role='boss'"],
    "a header without a level": ["DELETE FROM meta WHERE key='level'"],
    "a level that is not one": ["UPDATE meta SET value='\"deep\"' WHERE key='level'"],
    "a header that is not JSON": ["UPDATE meta SET value='{' WHERE key='level'"],
    "a header that is nested without end": [
        "UPDATE meta SET value=replace(printf('%.100000c', 'x'), 'x', '[') WHERE key='level'"
    ],
    "an exit code that is text": ["UPDATE meta SET value='\"five\"' WHERE key='exit_code'"],
    "an environment that is a number": ["UPDATE meta SET value='5' WHERE key='environment'"],
    "text that is not UTF-8": ["UPDATE meta SET value=CAST(x'22ff22' AS TEXT) WHERE key='level'"],
    "samples that are no list": ["INSERT INTO batches VALUES (0, 0, 0, 0, 0, NULL, 0, NULL, x'35')"],
}


@pytest.mark.parametrize("statements", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file(trace, statements):
    change(trace, *statements)
    assert slug_of(trace) == "trace-damaged"


def test_the_same_changes_to_nothing_are_read(trace):
    change(trace, "UPDATE steps SET events=events", "UPDATE meta SET value=value")
    read_everything(trace)


def test_events_that_do_not_fit_their_digest_are_refused(trace):
    change(trace, "UPDATE steps SET digest=zeroblob(16) WHERE step=1")
    assert slug_of(trace) == "trace-damaged"


def test_a_trace_is_recognised_by_its_header(trace, tmp_path):
    content = trace.read_bytes()
    assert is_trace(content)
    assert APPLICATION_ID.to_bytes(4, "big") in content[:100]
    change(tmp_path / "other.db", "CREATE TABLE t (a)")
    assert not is_trace((tmp_path / "other.db").read_bytes())


def test_merging_copies_streams_and_numbers_equal_processes(trace, tmp_path):
    parts = []
    for name in ("a", "b"):
        part = TraceBuilder(tmp_path / f"{name}.part")
        part.step(*training_step(0), stream=("child", "main", StreamRole.PROCESS))
        parts.append(part.close())
    merge(trace, parts)
    with TraceReader(trace) as reader:
        assert [stream.label for stream in reader.streams] == ["main", "child", "child#2"]
        assert [event.place.kind for event in reader.step(2, 0).events][:2] == [Kind.BATCH, Kind.INPUT]
        assert reader.event_count == 29 + 18
