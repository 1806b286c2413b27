"""Set all switches that make torch deterministic, for as long as a `with` block lasts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.utils.deterministic

from detaudit.torch_private.backends import fp32_precision, set_fp32_precision
from detaudit.torch_private.compiling import inductor_is_deterministic, set_inductor_deterministic

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
REPEATABLE_WORKSPACES = (":4096:8", ":16:8")
"""The two values with which NVIDIA promises that cuBLAS repeats; the first is the faster one."""

_PARENTS = (("generic", "all"), ("cuda", "all"), ("mkldnn", "all"))
"""The general settings of float32 precision, from the top down, for operators without a setting of their
own."""
_OPERATORS = {
    "torch.backends.cuda.matmul.fp32_precision": ("cuda", "matmul"),
    "torch.backends.cudnn.conv.fp32_precision": ("cuda", "conv"),
    "torch.backends.cudnn.rnn.fp32_precision": ("cuda", "rnn"),
    "torch.backends.mkldnn.matmul.fp32_precision": ("mkldnn", "matmul"),
    "torch.backends.mkldnn.conv.fp32_precision": ("mkldnn", "conv"),
    "torch.backends.mkldnn.rnn.fp32_precision": ("mkldnn", "rnn"),
}


@dataclass(frozen=True, slots=True)
class Switch:
    """One setting: what it was outside of the block, and what it is inside."""

    name: str
    before: object
    now: object
    note: str = ""
    """The reason why the switch does not work; empty if it works."""

    @property
    def changed(self) -> bool:
        """Whether the block changed the switch."""
        return self.before != self.now

    def __str__(self) -> str:
        """`name: before -> now`, and the note."""
        values = f"{self.before} -> {self.now}" if self.changed else f"{self.now}, as before"
        return f"{self.name}: {values}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True, slots=True)
class Switches:
    """All settings that a block holds, in the order in which they were made."""

    all: tuple[Switch, ...]

    def __iter__(self) -> Iterator[Switch]:
        return iter(self.all)

    def __getitem__(self, name: str) -> Switch:
        """Find a switch by its name. Raises KeyError if there is none."""
        for switch in self.all:
            if switch.name == name:
                return switch
        raise KeyError(name)

    def __str__(self) -> str:
        """One line for each switch, those that were changed first."""
        lines = [str(switch) for switch in sorted(self.all, key=lambda switch: not switch.changed)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _SwitchSetting:
    """The functions that read and write a switch, and the value that it is set to."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], None]
    wanted: Any


@contextmanager
def deterministic(*, warn_only: bool = False, fill_memory: bool = True) -> Iterator[Switches]:
    """Make torch use deterministic algorithms only, inside a `with` block or a decorated function.

    Args:
        warn_only: where an operator has no deterministic algorithm, warn instead of raising RuntimeError.
        fill_memory: fill memory that would stay uninitialised (`torch.empty`), so that a read of it repeats.

    Yields a `Switches`, which lists each setting with its value before and now, and prints as text. All of
    them are put back when the block ends, also by an exception; blocks can be nested. The settings belong to
    the process: other threads and forked workers see them too, spawned ones do not. No random number is
    drawn, no device started.

    What is set: `torch.use_deterministic_algorithms`, `torch.utils.deterministic.fill_uninitialized_memory`,
    cuDNN deterministic and without benchmarks, float32 calculated as float32 (no TF32, no bfloat16) in
    matrix products, convolutions and recurrent layers, no reductions in reduced precision, and, where
    torch has CUDA and the variable is not set, the environment variable CUBLAS_WORKSPACE_CONFIG. cuBLAS
    reads that once, when it is first used: if CUDA was in use before, the switch has a note that says so.

    It seeds nothing: see `detaudit.seed_everything`. As a decorator it covers calls, not what generators and
    coroutines do later.

    Source: PyTorch documentation, "Reproducibility", and "Numerical accuracy" for the precisions.
    """
    with ExitStack() as undo:
        switches = [
            _turn(setting, undo) for setting in _settings(warn_only=warn_only, fill_memory=fill_memory)
        ]
        switches += _full_float32(undo)
        switches += _workspace(undo)
        yield Switches(tuple(switches))


def _turn(setting: _SwitchSetting, undo: ExitStack) -> Switch:
    before = setting.read()
    undo.callback(setting.write, before)
    setting.write(setting.wanted)
    return Switch(setting.name, before, setting.read())


def _settings(*, warn_only: bool, fill_memory: bool) -> Iterator[_SwitchSetting]:
    """Yield the switches that have nothing to do with each other."""
    yield _SwitchSetting(
        "torch.use_deterministic_algorithms",
        _Algorithms.read,
        _Algorithms.write,
        _Algorithms(enabled=True, warn_only=warn_only, inductor=True),
    )
    memory, cudnn = torch.utils.deterministic, torch.backends.cudnn
    products, attention = torch.backends.cuda.matmul, torch.backends.cuda
    fill = "fill_uninitialized_memory"
    yield _attribute("torch.utils.deterministic", memory, fill, wanted=fill_memory)
    yield _attribute("torch.backends.cudnn", cudnn, "deterministic", wanted=True)
    yield _attribute("torch.backends.cudnn", cudnn, "benchmark", wanted=False)
    for kind in ("fp16", "bf16"):
        yield _reduction(f"allow_{kind}_reduced_precision_reduction")
    yield _attribute("torch.backends.cuda.matmul", products, "allow_fp16_accumulation", wanted=False)
    yield _SwitchSetting(
        "torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp",
        attention.fp16_bf16_reduction_math_sdp_allowed,
        attention.allow_fp16_bf16_reduction_math_sdp,
        wanted=False,
    )


@dataclass(frozen=True, slots=True)
class _Algorithms:
    """The three values that `use_deterministic_algorithms` sets at once."""

    enabled: bool
    warn_only: bool
    inductor: bool = field(compare=False)

    @staticmethod
    def read() -> _Algorithms:
        return _Algorithms(
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            inductor_is_deterministic(),
        )

    def write(self) -> None:
        torch.use_deterministic_algorithms(self.enabled, warn_only=self.warn_only)
        # Set along with it by torch; the program may have had it otherwise.
        set_inductor_deterministic(self.inductor)

    def __str__(self) -> str:
        return "off" if not self.enabled else "warn only" if self.warn_only else "on"


def _attribute(prefix: str, owner: object, name: str, *, wanted: bool) -> _SwitchSetting:
    return _SwitchSetting(
        f"{prefix}.{name}", partial(getattr, owner, name), partial(setattr, owner, name), wanted
    )


def _reduction(name: str) -> _SwitchSetting:
    """Make the switch of a pair: reductions in reduced precision, and whether sums may be split for them."""
    products = torch.backends.cuda.matmul

    def read() -> tuple[bool, bool]:
        return getattr(products, name), getattr(products, f"{name}_split_k")

    # Whether sums may be split is the program's choice; where it must not, it must not inside either.
    wanted = (False, read()[1])
    return _SwitchSetting(
        f"torch.backends.cuda.matmul.{name}", read, partial(setattr, products, name), wanted
    )


def _full_float32(undo: ExitStack) -> list[Switch]:
    """Calculate float32 in float32 everywhere.

    torch has two generations of switches for it, and raises RuntimeError where they contradict each other.
    Both are set, and no operator is left to inherit a parent's setting.
    """
    shown = {name: _precision(key) for name, key in _OPERATORS.items()}
    own = _own_precisions()
    undo.callback(_set_precisions, own)
    _set_precisions(dict.fromkeys(own, "ieee"))
    # With every operator at "ieee", the older switches can be read whatever they are.
    products, convolutions = torch.get_float32_matmul_precision(), _cudnn_tf32()
    undo.callback(_set_older, products, convolutions)
    _set_older("highest", convolutions=False)
    # The older ones write to the newer ones, and leave some at "none", which inherits.
    _set_precisions(dict.fromkeys(own, "ieee"))
    return [
        Switch("torch.float32_matmul_precision", products, torch.get_float32_matmul_precision()),
        Switch("torch.backends.cudnn.allow_tf32", convolutions, torch.backends.cudnn.allow_tf32),
        *(Switch(name, shown[name], _precision(key)) for name, key in _OPERATORS.items()),
    ]


def _own_precisions() -> dict[tuple[str, str], str]:
    """Read the precision that is set for each operator itself, not inherited from its parents."""
    parents = {}
    for parent in _PARENTS:
        parents[parent] = _precision(parent)
        _set_precisions({parent: "none"})
    try:
        return {key: _precision(key) for key in _OPERATORS.values()}
    finally:
        _set_precisions(parents)


def _precision(key: tuple[str, str]) -> str:
    return fp32_precision(*key)


def _set_precisions(values: dict[tuple[str, str], str]) -> None:
    for key, value in values.items():
        set_fp32_precision(*key, value)


def _set_older(products: str, convolutions: bool) -> None:  # noqa: FBT001 - the value of a switch
    torch.set_float32_matmul_precision(products)
    torch.backends.cudnn.allow_tf32 = convolutions


def _cudnn_tf32() -> bool:
    try:
        return torch.backends.cudnn.allow_tf32
    except RuntimeError:
        # It says no only where the operators, which are off now, contradict it.
        return True


def _workspace(undo: ExitStack) -> list[Switch]:
    """Have cuBLAS use a workspace of its own for each stream.

    Goes by how torch was built: asking whether there is a device would start CUDA, and forked workers could
    not use it any more.
    """
    if not torch.backends.cuda.is_built():
        return []
    before = os.environ.get(WORKSPACE)
    if before is None:
        os.environ[WORKSPACE] = REPEATABLE_WORKSPACES[0]
        undo.callback(os.environ.pop, WORKSPACE, None)
        note = (
            "CUDA was in use before: if cuBLAS was in use too, this comes too late"
            if torch.cuda.is_initialized()
            else ""
        )
    else:
        note = "" if before in REPEATABLE_WORKSPACES else "left as it is; cuBLAS may not repeat with it"
    return [Switch(WORKSPACE, "not set" if before is None else before, os.environ[WORKSPACE], note)]
