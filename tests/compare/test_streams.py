"""Threads and processes beside the main one."""

from __future__ import annotations

from detaudit.model.trace import StreamRole
from tests.traces import gradient, module, training_step, weight

MAIN = ("main", "main", StreamRole.MAIN)


def thread(name):
    return ("main", name, StreamRole.THREAD)


CHILD = ("child", "main", StreamRole.PROCESS)


def job(number, value=None):
    return module("conv", ("job", number), ("done", number) if value is None else value)


def test_jobs_may_go_to_any_thread_of_a_pool(runs, compared):
    for run, order in zip(runs, ((0, 1), (1, 0)), strict=True):
        run.step(*training_step(0))
        for name, number in zip("ab", order, strict=True):
            run.step(job(number), complete=False, stream=thread(name))
    assert compared(*runs).equal


def test_a_job_with_another_result_is_a_fault(runs, compared):
    for run, order in zip(runs, ((0, 1), (1, 0)), strict=True):
        run.step(*training_step(0))
        for name, number in zip("ab", order, strict=True):
            value = "noise" if number and run is runs[1] else None
            run.step(job(number, value), complete=False, stream=thread(name))
    result = compared(*runs)
    assert not result.equal
    assert result.first.stream.startswith("main/")


def test_only_places_whose_collections_differ_can_be_the_fault(runs, compared):
    for run, order in zip(runs, ((0, 1), (1, 0)), strict=True):
        run.step(*training_step(0))
        for name, number in zip("ab", order, strict=True):
            noise = module("noisy", number, ("noise", run is runs[1], number))
            run.step(job(number), noise, complete=False, stream=thread(name))
    assert compared(*runs).first.event.place.module == "noisy"


def test_threads_with_the_same_digests_are_not_opened(runs, compared, monkeypatch):
    from detaudit.trace.reader import TraceReader

    for run in runs:
        run.step(*training_step(0))
        run.step(job(0), complete=False, stream=thread("a"))
    monkeypatch.setattr(TraceReader, "step", None)
    assert compared(*runs).equal


def test_a_thread_that_one_run_has_not_is_harmless_if_it_trains_nothing(runs, compared):
    for run in runs:
        run.step(*training_step(0))
    runs[1].step(job(0), complete=False, stream=thread("a"))
    assert compared(*runs).equal


def test_a_process_that_trains_in_one_run_only_is_a_fault(runs, compared):
    for run in runs:
        run.step(*training_step(0))
    runs[1].step(*training_step(0), stream=CHILD)
    result = compared(*runs)
    assert not result.equal
    assert result.first.stream == "child"


def test_within_a_process_the_earlier_event_is_first(runs, compared):
    for run, value in zip(runs, (1, 2), strict=True):
        run.step(job(0, value), complete=False, stream=thread("a"))
        run.step(*training_step(0, conv=value, weight=value))
    assert compared(*runs).first.stream == "main/a"


def test_a_thread_that_differs_later_is_not_first(runs, compared):
    for run, value in zip(runs, (1, 2), strict=True):
        run.step(*training_step(0, conv=value, weight=value))
        run.step(job(0, value), complete=False, stream=thread("a"))
    result = compared(*runs)
    assert result.first.stream == "main"
    assert [one.stream for one in result.others] == ["main/a"]


def test_a_process_that_trains_is_preferred_to_weights_that_just_arrive(runs, compared):
    for run, value in zip(runs, (1, 2), strict=True):
        run.step(weight("conv.weight", value))
        run.step(gradient("conv.weight", value), weight("conv.weight", value), stream=CHILD)
    assert compared(*runs).first.stream == "child"


def test_a_process_that_trains_is_not_preferred_to_a_forward_pass(runs, compared):
    for run, value in zip(runs, (1, 2), strict=True):
        run.step(*training_step(0, conv=value, weight=value))
        run.step(gradient("conv.weight", value), weight("conv.weight", value), stream=CHILD)
    assert compared(*runs).first.stream == "main"


def test_steps_of_threads_count_where_the_main_thread_trains_nothing(runs, compared):
    for run in runs:
        run.step(*training_step(0), stream=thread("a"))
        run.step(*training_step(1), stream=thread("a"))
    result = compared(*runs)
    assert (result.steps, result.events, result.equal) == (2, 18, True)


def test_threads_of_the_same_label_are_told_apart(tmp_path):
    from detaudit.compare.compare import SIDES, match_threads
    from detaudit.trace.reader import TraceReader
    from tests.traces import TraceBuilder

    paths = []
    for name in "12":
        run = TraceBuilder(tmp_path / name)
        for number in (1, 2):
            run.writer.add_stream(number, StreamRole.THREAD, "main", "pool")
        paths.append(run.close())
    with TraceReader(paths[0]) as first, TraceReader(paths[1]) as second:
        threads = match_threads(first, second, SIDES)
    assert [(one.label, one.first, one.second) for one in threads] == [
        ("main/pool", 1, 1),
        ("main/pool#2", 2, 2),
    ]
