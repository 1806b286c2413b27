"""Make the environment variables of a run: the user's, those that a plan sets, and those that record it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from detaudit import nested
from detaudit.model.plan import RunPlan, TargetKind
from detaudit.record.session import SESSION_FILE
from detaudit.run import axes, variables
from detaudit.sources import surroundings
from detaudit.sources.catalogue import BY_NAME

_SITE = Path(__file__).parent / "site"
_MOST_PADDING = 4096
_WAIT_BRIEFLY = {"GOMP_SPINCOUNT": "100", "KMP_BLOCKTIME": "0"}
"""How long the threads of an operator wait for each other on a busy core, for GNU's and Intel's OpenMP.

Their own choice counts the threads of one process alone, and makes runs side by side several times as slow.
100 is what libgomp takes where it knows of more threads than cores.
"""
_WAITING = "OMP_WAIT_POLICY"


def variables_of(plan: RunPlan) -> dict[str, str]:
    """Make the environment of the program, as far as the user and the sources decide about it."""
    environment = dict(os.environ)
    for one in plan.perturbed:
        environment |= BY_NAME[one.source].perturbation(one.amount).environment
    environment |= dict(plan.variables)
    environment |= axes.variables(plan)
    for one in plan.held:
        # From outside, a source is held as a whole: at single lines its taps hold it.
        if not one.sites:
            environment |= BY_NAME[one.source].held_by
    return environment


def environment_of(plan: RunPlan, folder: Path) -> dict[str, str]:
    """Make the environment of a run's process, whose session is in `folder`."""
    environment = nested.within(variables_of(plan), folder)
    environment[variables.SESSION] = str((folder / SESSION_FILE).resolve())
    environment.pop(variables.LEDGER, None)
    if plan.ledger:
        environment[variables.LEDGER] = "1"
    if plan.jobs > 1 and _WAITING not in environment:
        environment = _WAIT_BRIEFLY | environment
    # Another length in each run: what lies behind it lies elsewhere, also where the system moves nothing.
    environment[variables.PADDING] = "x" * secrets.randbelow(_MOST_PADDING)
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
