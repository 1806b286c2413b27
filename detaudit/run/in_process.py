"""A run in the process that asks for it: a function is called, recorded, and nothing stays in place."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from detaudit.model.plan import RunPlan
from detaudit.record.session import MAIN_TRACE
from detaudit.run.launch import complete, session_of
from detaudit.torch_private.supported import refuse_older


def call_recorded(function: Callable[[], object], plan: RunPlan, folder: Path) -> Path | None:
    """Call a function in this process and return the trace of what it did; None if it used no torch.

    Records what a run of the plan would, without a ledger; `folder`, which must exist, gets the trace.
    What the function raises goes through, except for the end of the steps that were asked for. Raises
    TorchError if torch is too old.
    """
    refuse_older()
    # Not before: of an older torch, these would ask for what it does not have.
    from detaudit.record.install import recording
    from detaudit.record.recorder import StopAfterSteps

    session = session_of(plan, folder)
    trace, started = folder / MAIN_TRACE, time.monotonic()
    # It is raised when as many steps as were asked for are there.
    with recording(session), contextlib.suppress(StopAfterSteps):
        function()
    return trace if complete(folder, trace, 0, time.monotonic() - started) else None
