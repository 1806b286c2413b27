"""Give the process of a rank its name in the trace, which is the same in every run."""

from __future__ import annotations

from detaudit.record.ranks import own_rank
from detaudit.record.recorder import Recorder
from detaudit.record.stream import StreamState


def name_by_rank(recorder: Recorder) -> None:
    """Rename the process at the end of the first step at which its rank is known, or of the program."""

    def look(_stream: StreamState | None = None) -> None:
        process = recorder.process
        if process.rank is not None or not process.may_be_rank:
            return
        rank = own_rank()
        if rank is not None:
            process.become(rank)
            recorder.rename()

    recorder.listeners.on_step_end.append(look)
    recorder.listeners.on_close.append(look)
