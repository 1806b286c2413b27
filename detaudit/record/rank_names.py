"""Give the process of a rank its name in the trace, which is the same in every run."""

from __future__ import annotations

import os

from detaudit.record.ranks import own_rank
from detaudit.record.recorder import Recorder
from detaudit.record.stream import StreamState


class RankNames:
    """Renames the process at the end of the first step at which its rank is known, or of the program."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._looks = True
        self._process = os.getpid()
        recorder.listeners.on_step_end.append(self._look)
        recorder.listeners.on_close.append(self._look)

    def _look(self, _stream: StreamState | None = None) -> None:
        if not self._looks:
            return
        rank = own_rank()
        if rank is None:
            return
        self._looks = False
        # A process that a rank has forked has its group too, and is no rank itself.
        if os.getpid() == self._process:
            self._recorder.process.become(rank)
            self._recorder.rename()
