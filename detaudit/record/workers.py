"""DataLoader workers, by fork and by spawn: what each fetched, and the random streams it was left with.

Each fetched batch is a step of the worker's own stream. How far workers run ahead depends on timing, so
these streams locate a difference that the main process saw; they never decide a verdict.
"""

from __future__ import annotations

from typing import Any

from torch.utils.data._utils import worker as torch_worker

from detaudit.digest.value import split_digest
from detaudit.model.trace import Kind, Phase, StreamRole
from detaudit.record.recorder import Recorder, observing

_torch_worker_loop = torch_worker._worker_loop


class _Watching:
    """Stands in for the queue on which a worker sends its batches."""

    def __init__(self, queue: Any, recorder: Recorder) -> None:  # noqa: ANN401 - a queue of any start method
        self._queue = queue
        self._recorder = recorder
        self._fetched = observing(recorder, self._record)

    def put(self, item: tuple[Any, Any]) -> None:
        """Record a batch, then send it."""
        self._fetched(item)
        self._queue.put(item)

    def _record(self, item: tuple[Any, Any]) -> None:
        number, data = item
        if (
            number is None
            or type(data).__module__ == torch_worker.__name__
            or type(data).__name__ == "ExceptionWrapper"
        ):
            # Not a batch: an answer to a reset, the end of a stream, an error.
            return
        recorder, stream = self._recorder, self._recorder.stream()
        key = recorder.key(Phase.DATA, Kind.BATCH, "", None, f"batch {number}")
        recorder.add(stream, key, split_digest(data)[0])
        recorder.end_step(stream)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the queue has
        return getattr(self._queue, name)


def worker_loop(*args: Any) -> None:  # noqa: ANN401 - torch's own arguments, passed on
    """Run torch's worker loop, watched. Importable, because spawned workers find it by name."""
    from detaudit.record.install import current

    recorder = current()
    if recorder is None or not recorder.active:
        return _torch_worker_loop(*args)
    names = _torch_worker_loop.__code__.co_varnames[: _torch_worker_loop.__code__.co_argcount]
    position, worker = names.index("data_queue"), args[names.index("worker_id")]
    recorder.name_process(f"loader worker {worker}", StreamRole.LOADER_WORKER)
    watched = (*args[:position], _Watching(args[position], recorder), *args[position + 1 :])
    return _torch_worker_loop(*watched)


def watch_workers() -> None:
    """Have every DataLoader start its workers with `worker_loop`."""
    torch_worker._worker_loop = worker_loop  # type: ignore[assignment]  # takes whatever torch's takes
