"""What `--vary` sets before a run starts: environment variables and arguments."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace

from detaudit.model.axes import (
    ARGUMENTS,
    CAPABILITY,
    COMPILE,
    DETERMINISTIC,
    DEVICE,
    ENVIRONMENT,
    HASH_SEED,
    THREADS,
)
from detaudit.model.plan import RunPlan, TargetKind

CUBLAS_WORKSPACE = ":4096:8"
"""One of the two values with which cuBLAS is deterministic (PyTorch, "Reproducibility")."""


def variables(plan: RunPlan) -> dict[str, str]:
    """The environment variables that the values on a run's axes set."""
    driven = plan.target.kind is TargetKind.MODEL_FILE
    return {name: text for axis, value in plan.axes for name, text in _set_by(axis, value, driven=driven)}


def with_arguments(plan: RunPlan) -> RunPlan:
    """The plan, with the arguments that an axis adds behind those of the target."""
    added = [part for axis, value in plan.axes if axis == ARGUMENTS for part in shlex.split(value)]
    return replace(plan, target=replace(plan.target, args=(*plan.target.args, *added)))


def _set_by(axis: str, value: str, *, driven: bool) -> Iterator[tuple[str, str]]:
    if axis.startswith(ENVIRONMENT):
        yield axis.removeprefix(ENVIRONMENT), value
    elif axis == THREADS:
        yield from (("OMP_NUM_THREADS", value), ("MKL_NUM_THREADS", value))
    elif axis == HASH_SEED:
        yield "PYTHONHASHSEED", value
    elif axis == CAPABILITY:
        yield "ATEN_CPU_CAPABILITY", value
    elif axis == DETERMINISTIC and value == "on":
        yield "CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE
    elif axis == COMPILE and value == "off" and not driven:
        yield "TORCH_COMPILE_DISABLE", "1"
    elif axis == DEVICE and not driven:
        yield from _shown(value)


def _shown(device: str) -> Iterator[tuple[str, str]]:
    """A script takes the device that it finds: it is shown that one alone."""
    kind, _, number = device.partition(":")
    if kind != "cuda":
        yield "CUDA_VISIBLE_DEVICES", ""
    elif number:
        yield "CUDA_VISIBLE_DEVICES", number
