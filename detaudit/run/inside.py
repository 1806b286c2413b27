"""What `--vary` sets within a run, as soon as torch is there and before the program uses it."""

from __future__ import annotations

import functools
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data.dataloader import DataLoader

from detaudit.model.axes import COMPILE, DETERMINISTIC, DEVICE, HASH_SEED, MKLDNN, WORKERS
from detaudit.record.session import Session
from detaudit.sources import set_order
from detaudit.torch_private.compiling import draw_as_uncompiled

_TEXT = "detaudit"

EXIT_CONDITIONS = 3
"""How a run ends whose conditions cannot be had; a line on standard error says why."""

_OF_WORKERS = ("prefetch_factor", "persistent_workers", "multiprocessing_context", "timeout")
"""What a loader without workers refuses."""


def set_conditions(session: Session) -> None:
    """Set what the run's axes ask for. Ends the process where that cannot be had."""
    held = {one.source for one in session.held}
    for axis, value in session.axes:
        setting = _SETTINGS.get(axis)
        # What is held fixed on purpose is not in force.
        if setting is not None and not (axis == HASH_SEED and set_order.BY_SEED in held):
            setting(value)


def _hash_seed(value: str) -> None:
    """See to it that the seed is in force: a program may have started itself anew with another."""
    if value == "random" or os.environ.get("PYTHONHASHSEED") == value:
        return
    # Setting the variable changes nothing in a process that is running: only the hashes tell.
    asking = [sys.executable, "-S", "-c", f"print(hash({_TEXT!r}))"]
    environment = {**os.environ, "PYTHONHASHSEED": value}
    told = subprocess.run(asking, env=environment, capture_output=True, check=False)
    if told.stdout.strip() != str(hash(_TEXT)).encode():
        sys.stderr.write(f"detaudit: hash-seed={value} is not in force: the program chose another one\n")
        raise SystemExit(EXIT_CONDITIONS)


def _mkldnn(value: str) -> None:
    torch.backends.mkldnn.set_flags(value == "on")


def _deterministic(value: str) -> None:
    torch.use_deterministic_algorithms(value == "on")


def _compile(value: str) -> None:
    """Let compiled code draw the random numbers that the same code draws otherwise."""
    if value == "on":
        draw_as_uncompiled()


def _workers(value: str) -> None:
    """Let every loader have that many workers, whatever the program says."""
    make = DataLoader.__init__
    signature = inspect.signature(make)

    @functools.wraps(make)
    def making(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - torch's own signature
        # Wrong arguments are for torch to refuse, in its own words.
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError:
            make(*args, **kwargs)
            return
        given.arguments["num_workers"] = int(value)
        if value == "0":
            for name in _OF_WORKERS:
                given.arguments.pop(name, None)
        make(*given.args, **given.kwargs)

    DataLoader.__init__ = making  # type: ignore[method-assign]  # so that subclasses are reached too


def _device(value: str) -> None:
    """Hide all other devices, so that a program that takes what it finds takes this one."""
    from detaudit.target.devices import missing

    kind = value.partition(":")[0]
    # A script is shown the one device that is asked for: there, it is the first one.
    why = missing(kind)
    if why is not None:
        sys.stderr.write(f"detaudit: no such device: {value} ({why})\n")
        raise SystemExit(EXIT_CONDITIONS)
    if kind != "mps":
        torch.backends.mps.is_available = lambda: False  # type: ignore[assignment]  # torch caches its answer
    if kind != "xpu":
        torch.xpu.is_available = lambda: False
        torch.xpu.device_count = lambda: 0


_SETTINGS: dict[str, Callable[[str], None]] = {
    HASH_SEED: _hash_seed,
    MKLDNN: _mkldnn,
    DETERMINISTIC: _deterministic,
    COMPILE: _compile,
    WORKERS: _workers,
    DEVICE: _device,
}
