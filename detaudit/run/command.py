"""Build the command line and the environment of a run, with what the values of its axes set in them."""

from __future__ import annotations

import json
import os
import secrets
import sys
from dataclasses import replace
from pathlib import Path

from detaudit import nested
from detaudit.axes.catalogue import axis_of
from detaudit.model.codec import to_plain
from detaudit.model.plan import Drive, RunPlan, TargetKind
from detaudit.record.session import SESSION_FILE
from detaudit.run import variable_names
from detaudit.sources import surroundings
from detaudit.sources.catalogue import BY_NAME

_DRIVER = Path(__file__).parent.parent / "targets" / "drive.py"

_SITE = Path(__file__).parent / "site"
_MOST_PADDING = 4096
_WAIT_BRIEFLY = {"GOMP_SPINCOUNT": "100", "KMP_BLOCKTIME": "0"}
"""Variables of GNU's and Intel's OpenMP: how long the threads of an operator wait for each other on a busy
core. The default of these libraries considers only the threads of one process, and makes runs side by side
several times as slow. libgomp itself takes 100 if it knows of more threads than cores."""
_WAITING = "OMP_WAIT_POLICY"


def command_for(plan: RunPlan) -> list[str]:
    """Return the command that runs the plan's target once."""
    target = plan.target
    if target.kind is TargetKind.TEST:
        return [sys.executable, *target.command]
    starts = target.launch or (sys.executable,)
    if target.kind is TargetKind.SCRIPT and target.path is not None:
        return [*starts, str(target.path), *target.args]
    if target.kind is TargetKind.MODULE and target.import_name is not None:
        return [*starts, "-m", target.import_name, *target.args]
    drive = Drive(target, plan.seed, plan.steps, plan.call, {one.axis: one.text for one in plan.axes})
    return [sys.executable, str(_DRIVER), json.dumps(to_plain(drive)), *target.args]


def variables_of(plan: RunPlan) -> dict[str, str]:
    """Make the environment of the program, as far as the user and the sources decide about it."""
    environment = dict(os.environ)
    for one in plan.perturbed:
        environment |= BY_NAME[one.source].perturbation(one.amount).environment
    environment |= dict(plan.variables)
    environment |= axis_variables(plan)
    for one in plan.held:
        # From outside, a source is held as a whole: at single lines its taps hold it.
        if not one.sites:
            environment |= BY_NAME[one.source].held_by
    return environment


def environment_of(plan: RunPlan, folder: Path) -> dict[str, str]:
    """Make the environment of a run's process, whose session is in `folder`."""
    environment = nested.within(variables_of(plan), folder)
    environment[variable_names.SESSION] = str((folder / SESSION_FILE).resolve())
    environment.pop(variable_names.LEDGER, None)
    if plan.ledger:
        environment[variable_names.LEDGER] = "1"
    if plan.jobs > 1 and _WAITING not in environment:
        environment = _WAIT_BRIEFLY | environment
    # Another length in each run: what lies behind it lies elsewhere, also where the system moves nothing.
    environment[variable_names.PADDING] = "x" * secrets.randbelow(_MOST_PADDING)
    paths = [str(_SITE), *map(str, plan.import_first)]
    if plan.import_from is not None:
        paths.append(str(plan.import_from))
    if environment.get("PYTHONPATH"):
        paths.append(environment["PYTHONPATH"])
    if runs_elsewhere(plan):
        paths = [os.path.abspath(part) for path in paths for part in path.split(os.pathsep)]
        if plan.target.kind in {TargetKind.MODULE, TargetKind.CALLABLE}:
            # Where `python -m` looks first.
            paths.append(os.getcwd())
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    if plan.folder is not None:
        # As a shell would that is in that folder.
        environment["PWD"] = str(plan.folder)
    return environment


def runs_elsewhere(plan: RunPlan) -> bool:
    """Say whether the program is started in a folder where it has nothing."""
    return any(one.source == surroundings.FOLDER for one in plan.perturbed)


def axis_variables(plan: RunPlan) -> dict[str, str]:
    """Collect the environment variables that the values on a run's axes set."""
    is_driven = plan.target.kind is TargetKind.MODEL_FILE
    found: dict[str, str] = {}
    for setting in plan.axes:
        axis = axis_of(setting)
        on_model = is_driven and axis.model is not None
        if axis.environment is not None and not on_model:
            found |= axis.environment(setting.value)
    return found


def with_arguments(plan: RunPlan) -> RunPlan:
    """Add the arguments that axes set behind those of the target."""
    added: list[str] = []
    for setting in plan.axes:
        axis = axis_of(setting)
        if axis.arguments is not None:
            added += axis.arguments(setting.value)
    return replace(plan, target=replace(plan.target, args=(*plan.target.args, *added)))
