"""Build the command line of a run: the user's own for a script, detaudit's driver for the rest."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from detaudit.model.codec import to_plain
from detaudit.model.plan import Drive, RunPlan, TargetKind

_DRIVER = Path(__file__).parent.parent / "targets" / "drive.py"


def command_for(plan: RunPlan) -> list[str]:
    """Return the command that runs the plan's target once."""
    target = plan.target
    if target.kind is TargetKind.TEST:
        return [sys.executable, *target.command]
    if target.kind is TargetKind.SCRIPT and target.path is not None:
        return [sys.executable, str(target.path), *target.args]
    if target.kind is TargetKind.MODULE and target.import_name is not None:
        return [sys.executable, "-m", target.import_name, *target.args]
    drive = Drive(target, plan.seed, plan.steps, plan.call, {one.axis: one.text for one in plan.axes})
    return [sys.executable, str(_DRIVER), json.dumps(to_plain(drive)), *target.args]
