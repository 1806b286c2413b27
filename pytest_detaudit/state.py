"""Record the state of the process that a call may change, and restore it after the call."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.utils.deterministic


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The recorded state of a process.

    Random generators (python's, numpy's, torch's on each device in use), the switches of deterministic
    algorithms and of cuDNN, matrix product precision, grad mode, anomaly mode, default dtype and device,
    number of threads, and the working directory.
    """

    restorers: tuple[Callable[[], object], ...]

    def restore(self) -> None:
        """Put everything back. Changes the process, draws nothing."""
        for restore in self.restorers:
            restore()


def process_state() -> ProcessState:
    """Take down the state of this process. Changes nothing, draws nothing, starts no device."""
    return ProcessState(tuple(_restorers()))


@contextmanager
def put_back() -> Iterator[ProcessState]:
    """Put the state back at the end of the block, whatever happens in it."""
    state = process_state()
    try:
        yield state
    finally:
        state.restore()


def _restorers() -> Iterator[Callable[[], object]]:
    yield partial(random.setstate, random.getstate())
    yield partial(np.random.set_state, np.random.get_state())  # noqa: NPY002 - the global generator is meant
    yield partial(torch.set_rng_state, torch.get_rng_state())
    if torch.cuda.is_initialized():
        yield partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    yield partial(
        torch.use_deterministic_algorithms,
        torch.are_deterministic_algorithms_enabled(),
        warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    for owner, name in (
        (torch.utils.deterministic, "fill_uninitialized_memory"),
        (torch.backends.cudnn, "deterministic"),
        (torch.backends.cudnn, "benchmark"),
    ):
        yield partial(_set, owner, name, getattr(owner, name))
    yield partial(torch.set_grad_enabled, torch.is_grad_enabled())
    yield partial(torch.autograd.set_detect_anomaly, torch.is_anomaly_enabled())
    yield partial(torch.set_default_dtype, torch.get_default_dtype())
    yield partial(_set_default_device, torch.get_default_device())
    # Only if it was changed: setting it fixes the number for good.
    yield partial(_set_threads, torch.get_num_threads())
    yield partial(_set_precision, torch.get_float32_matmul_precision())
    yield partial(os.chdir, os.getcwd())  # noqa: PTH109 - a string, as chdir takes


def _set(owner: object, name: str, value: Any) -> None:  # noqa: ANN401 - whatever the switch had
    if getattr(owner, name) != value:
        setattr(owner, name, value)


def _set_default_device(device: torch.device) -> None:
    if torch.get_default_device() != device:
        # No default, which is the CPU, costs nothing; a default device is looked at in each call.
        torch.set_default_device(None if device.type == "cpu" else device)


def _set_threads(number: int) -> None:
    if torch.get_num_threads() != number:
        torch.set_num_threads(number)


def _set_precision(precision: str) -> None:
    if torch.get_float32_matmul_precision() != precision:
        torch.set_float32_matmul_precision(precision)
