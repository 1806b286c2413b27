"""Record one run into one trace file, for `detaudit record`."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from detaudit.errors import OutputError
from detaudit.model.plan import RunOutcome, TargetRef
from detaudit.run.launch import collect, launched
from detaudit.run.options import RunOptions
from detaudit.run.progress import Progress
from detaudit.run.runner import watch
from detaudit.run.workspace import workspace
from detaudit.targets.find import find_target


def record(ref: TargetRef, options: RunOptions, output: Path, progress: Progress) -> RunOutcome:
    """Run a target once, its output passing through, and leave its trace at `output`.

    The trace is made elsewhere and moved there at the end, so a file that was there stays until then.
    Raises TargetError, RunError or OutputError.
    """
    plan = options.plan(find_target(ref))
    with workspace(None) as folder:
        with launched(plan, "1", folder, capture=False) as run:
            timed_out = watch(plan, run, progress)
        outcome = collect(run, timed_out=timed_out)
        if outcome.trace is None:
            return outcome
        try:
            shutil.move(outcome.trace, output)
        except OSError as error:
            raise OutputError(
                "trace-not-written",
                f"cannot write {output}: {error.strerror or error}",
                "name another file with -o",
            ) from error
        return replace(outcome, trace=output)
