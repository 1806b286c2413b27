"""Record DataLoader workers, forked or spawned: their batches, and their random streams after each.

Each fetched batch is a step of the worker's own stream. How far workers run ahead depends on timing, so
these streams locate a difference that the main process saw; they never decide a verdict.
"""

from __future__ import annotations

import os
from typing import Any

from detaudit.digest.value import split_digest
from detaudit.model.trace import Kind, Phase, StreamRole
from detaudit.record.held import WorkerGenerators
from detaudit.record.observing import current, observing
from detaudit.record.recorder import Recorder
from detaudit.record.scope import RecordingScope
from detaudit.torch_private.loaders import WORKER_LOOP, begins_pass, is_batch

_torch_worker_loop = WORKER_LOOP.current


class _Worker:
    """This process as a loader worker: the batches that it makes, pass by pass."""

    def __init__(self, recorder: Recorder, dataset: object) -> None:
        self._recorder = recorder
        self._round = 0
        self._before: str | None = None
        """States of the generators before the first fetch of a pass, which no end of a step shows."""
        self._continues = False
        """Whether the generators are still in the state that the last step's end shows."""
        self.starting = observing(recorder, self._start)
        self.fetched = observing(recorder, self._record)
        observing(recorder, self._watch_generators)(dataset)

    def _watch_generators(self, dataset: object) -> None:
        self._recorder.generators = WorkerGenerators(dataset)

    def _start(self, task: object) -> None:
        # What is no tuple tells the worker to start over or to end.
        if isinstance(task, tuple) and not self._continues:
            self._before = self._recorder.generators.states()

    def _record(self, item: tuple[Any, Any]) -> None:
        number, data = item
        self._continues = is_batch(number, data)
        if begins_pass(number):
            self._round += 1
        if not self._continues:
            return
        recorder, stream = self._recorder, self._recorder.stream()
        key = recorder.key(Phase.DATA, Kind.BATCH, "", None, f"batch {number}")
        recorder.add(stream, key, split_digest(data)[0])
        before, self._before = self._before or "", None
        recorder.batch_writer().add_fetch(
            stream.number, stream.step, round_=self._round, number=number, process=os.getpid(), before=before
        )
        recorder.end_step(stream)


class _Tasks:
    """Stands in for the queue on which a worker gets its tasks."""

    def __init__(self, queue: Any, worker: _Worker) -> None:
        self._queue = queue
        self._worker = worker

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Get a task, then look at the generators before it is carried out."""
        task = self._queue.get(*args, **kwargs)
        self._worker.starting(task)
        return task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


class _Watching:
    """Stands in for the queue on which a worker sends its batches."""

    def __init__(self, queue: Any, worker: _Worker) -> None:
        self._queue = queue
        self._worker = worker

    def put(self, item: tuple[Any, Any]) -> None:
        """Record a batch, then send it."""
        self._worker.fetched(item)
        self._queue.put(item)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


def worker_loop(*args: Any) -> None:
    """Run torch's worker loop, watched. Importable, because spawned workers find it by name."""
    recorder = current()
    if recorder is None or not recorder.active:
        _torch_worker_loop(*args)
        return
    names = _torch_worker_loop.__code__.co_varnames[: _torch_worker_loop.__code__.co_argcount]
    given = dict(zip(names, args, strict=False))
    recorder.process.rename(f"loader worker {given['worker_id']}", StreamRole.LOADER_WORKER)
    worker = _Worker(recorder, given["dataset"])
    given["index_queue"] = _Tasks(given["index_queue"], worker)
    given["data_queue"] = _Watching(given["data_queue"], worker)
    _torch_worker_loop(*given.values(), *args[len(given) :])


def watch_workers(scope: RecordingScope) -> None:
    """Have every DataLoader start its workers with `worker_loop`."""
    scope.replace(*WORKER_LOOP, worker_loop)
