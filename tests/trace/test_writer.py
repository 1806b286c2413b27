"""Writing is safe from several threads."""

from __future__ import annotations

import threading

from detaudit.model.trace import StreamRole
from detaudit.trace.reader import TraceReader
from tests.traces import TraceBuilder, module


def test_threads_that_announce_and_write_at_once_lose_nothing(tmp_path):
    builder = TraceBuilder(tmp_path / "run.trace")
    streams = [("main", f"t{number}", StreamRole.THREAD) for number in range(4)]
    for stream in streams:
        builder.stream(*stream)

    def work(stream):
        for step in range(50):
            builder.step(module(f"{stream[1]}.{step}", step, step), stream=stream)

    threads = [threading.Thread(target=work, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with TraceReader(builder.close()) as reader:
        for stream in reader.streams:
            paths = [reader.step(stream.id, step).events[0].place.module for step in range(50)]
            assert paths == [f"{stream.thread}.{step}" for step in range(50)]
