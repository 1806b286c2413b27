"""Whether order and content depend on the number of loader workers."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from detaudit.compare.worker_counts import compare_workers
from detaudit.errors import TraceError
from detaudit.model.data import LoaderIteration
from detaudit.trace.reader import TraceReader
from tests.compare.data_programs import WORKER_COUNTS
from tests.traces import TraceBuilder, batch, digest_of


@pytest.mark.usefixtures("forked")
def test_a_real_program_with_and_without_workers(record):
    alone, helped = (record(WORKER_COUNTS, args=[count]) for count in ("0", "2"))
    plain, noisy, stream = compare_workers(alone, helped).pairs

    assert (plain.same_order, plain.same_content, plain.workers) == (True, True, (0, 2))
    assert (noisy.same_order, noisy.same_content, noisy.first_content_difference) == (True, False, 0)
    assert (stream.same_order, stream.same_content, stream.batches) == (None, False, (4, 8))
    assert compare_workers(alone, helped).first_difference == noisy
    assert compare_workers(alone, alone).independent


def trace(path, *contents, iterable=False, numbered=True, passes=1, digest="test/1"):
    """Write one loader's passes, all alike; a batch is its sample numbers and what they became."""
    builder = TraceBuilder(path, digest=digest)
    builder.stream()
    facts = {"dataset": "Data", "sampler": "", "shuffles": False, "covers": True, "iterable": iterable}
    facts |= {"droppable": 0, "length": None, "workers": 0, "processes": (), "round": 0, "exhausted": True}
    for iteration in range(passes):
        for number, (samples, value) in enumerate(contents):
            place = {"loader": 1, "iteration": iteration, "index": number, "worker": None}
            given = {"samples": samples if numbered else None, "content": digest_of(value)}
            builder.batch(sequence=next(builder.sequence), **place, **given)
        builder.writer.set_iteration(0, LoaderIteration(loader=1, iteration=iteration, **facts))
    builder.step(batch("x"))
    return TraceReader(builder.close())


FIRST, SECOND, THIRD = ((0, 1), "a"), ((2, 3), "b"), ((4, 5), "c")


@pytest.mark.parametrize(
    ("ours", "theirs", "parts"),
    [
        ([FIRST, SECOND, THIRD], [FIRST, SECOND, THIRD], (None, None, True)),
        ([FIRST, SECOND, THIRD], [FIRST, THIRD, SECOND], (1, 1, True)),
        ([FIRST, SECOND, THIRD], [FIRST, SECOND, ((4, 5), "x")], (None, 2, False)),
        ([FIRST, SECOND, THIRD], [FIRST, SECOND], (2, 2, False)),
        ([FIRST, FIRST, SECOND], [FIRST, SECOND, SECOND], (1, 1, False)),
    ],
    ids=["equal", "another order", "another content", "one batch less", "one twice"],
)
def test_where_two_runs_part(tmp_path, ours, theirs, parts):
    order, content, unordered = parts
    with trace(tmp_path / "1", *ours) as first, trace(tmp_path / "2", *theirs) as second:
        compared = compare_workers(first, second)
    (pair,) = compared.pairs

    assert (pair.first_order_difference, pair.first_content_difference) == (order, content)
    assert (pair.same_order, pair.same_content, pair.same_unordered) == (
        order is None,
        content is None,
        unordered,
    )
    assert compared.independent is (content is None)
    json.dumps(asdict(compared))


def test_a_stream_without_sample_numbers_is_judged_by_its_content(tmp_path):
    given = {"iterable": True, "numbered": False}
    with trace(tmp_path / "1", FIRST, **given) as first, trace(tmp_path / "2", FIRST, **given) as second:
        compared = compare_workers(first, second)

    assert compared.pairs[0].same_order is None
    assert compared.independent


def test_a_pass_that_only_one_run_has_is_a_difference(tmp_path):
    with trace(tmp_path / "1", FIRST, passes=2) as first, trace(tmp_path / "2", FIRST) as second:
        compared = compare_workers(first, second)

    assert [pair.workers for pair in compared.pairs] == [(0, 0), (0, None)]
    assert compared.first_difference == compared.pairs[1]


def test_runs_without_loaders_prove_nothing(tmp_path):
    with trace(tmp_path / "1", passes=0) as first, trace(tmp_path / "2", passes=0) as second:
        assert not compare_workers(first, second).independent


def test_digests_that_mean_different_things_are_refused(tmp_path):
    first, second = trace(tmp_path / "1", FIRST), trace(tmp_path / "2", FIRST, digest="b/2")
    with first, second, pytest.raises(TraceError) as caught:
        compare_workers(first, second)
    assert caught.value.slug == "trace-not-comparable"
