"""Build the command line of a run: the user's own for a script, detaudit's driver for the rest."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from detaudit.model.plan import RunPlan, TargetKind

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
    how = {
        "kind": target.kind.value,
        "path": None if target.path is None else str(target.path),
        "import_name": target.import_name,
        "attribute": target.attribute,
        "seed": plan.seed,
        "steps": plan.steps,
        "call": plan.call,
        "axes": {one.axis: one.text for one in plan.axes},
    }
    return [sys.executable, str(_DRIVER), json.dumps(how), *target.args]
