"""Kernels that give other bits for the same inputs: torch's deterministic algorithms, or one thread."""

from __future__ import annotations

from typing import Any

from detaudit.sources.source import Source
from detaudit.sources.taps import Taps

NAME = "kernels"
ONE_THREAD = "kernel-threads"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def _tap(taps: Taps) -> None:
    if taps.holds(NAME):
        taps.when_imported("torch", _deterministic)


def _deterministic(torch: Any) -> None:  # noqa: ANN401 - a module
    # The flag would fill fresh memory as well, which is another source, with a control of its own.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.backends.cudnn.benchmark = False


def _tap_threads(taps: Taps) -> None:
    if taps.holds(ONE_THREAD):
        taps.when_imported("torch", lambda torch: _one_thread(taps, torch))


def _one_thread(taps: Taps, torch: Any) -> None:  # noqa: ANN401 - a module
    torch.set_num_threads(1)
    taps.function(torch, "set_num_threads", lambda original, _number: original(1))


SOURCE = Source(
    name=NAME,
    words="kernels, by torch.use_deterministic_algorithms(True)",
    causes=("nondeterministic-op",),
    tap=_tap,
    held_by={"CUBLAS_WORKSPACE_CONFIG": ":4096:8"},
)

THREADS = Source(
    name=ONE_THREAD,
    words="kernels, by one thread",
    causes=("nondeterministic-op",),
    tap=_tap_threads,
    held_by=dict.fromkeys(THREAD_VARIABLES, "1"),
)
