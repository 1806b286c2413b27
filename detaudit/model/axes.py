"""The axes of `--vary`: what each sets, which values it takes, what may be expected of the numbers along it.

Pure data. No torch, no input or output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Promise(StrEnum):
    """What two runs that differ along an axis owe each other."""

    BITS = "bits"
    """The same bits: the axis must not reach any number, and where it does, that is a fault."""
    ROUNDING = "rounding"
    """The same numbers up to rounding: the axis may choose other arithmetic, which changes last bits."""
    PRECISION = "precision"
    """The same numbers up to the rounding of each side's own device or dtype: equal bits cannot be had."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing that `--vary` can set differently for two runs."""

    name: str
    promise: Promise
    words: str
    """What it is, for a reader: `the number of threads`."""
    pattern: str
    """What a value looks like, as a regular expression; any other would be passed over and nothing vary."""
    expected: str
    """The values, for a reader."""
    driven: bool = False
    """True if only a target that detaudit drives itself (a model file) can take it."""
    instead: str = ""
    """What to do with a script, where it cannot."""


THREADS, HASH_SEED, CAPABILITY, MKLDNN = "threads", "hash-seed", "cpu-capability", "mkldnn"
DETERMINISTIC, WORKERS, COMPILE, ARGUMENTS = "deterministic", "workers", "compile", "args"
DEVICE, DTYPE, LAYOUT, BATCH = "device", "dtype", "layout", "batch"
ENVIRONMENT = "env:"
"""What the name of an axis begins with that is an environment variable."""

_WHOLE, _ON_OFF = "[1-9][0-9]*", "on|off"
_ON_OFF_WORDS = "on or off"
_SCRIPT_SETS_IT = "a script decides that itself: give it an option for it and vary that, as in"

AXES: Mapping[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis(HASH_SEED, Promise.BITS, "the hash seed", "random|[0-9]{1,10}", "whole numbers from 0 on"),
        Axis(WORKERS, Promise.BITS, "the number of loader workers", "[0-9]+", "whole numbers from 0 on"),
        Axis(ARGUMENTS, Promise.BITS, "the arguments", ".*", "the arguments of the script, quoted"),
        Axis(THREADS, Promise.ROUNDING, "the number of threads", _WHOLE, "whole numbers from 1 on"),
        Axis(
            CAPABILITY,
            Promise.ROUNDING,
            "the instruction set of torch's own CPU kernels",
            "default|avx2|avx512|vsx|zvector|sve|sve256",
            "default, avx2, avx512, ...",
        ),
        Axis(MKLDNN, Promise.ROUNDING, "oneDNN's kernels", _ON_OFF, _ON_OFF_WORDS),
        Axis(DETERMINISTIC, Promise.ROUNDING, "deterministic algorithms", _ON_OFF, _ON_OFF_WORDS),
        Axis(COMPILE, Promise.ROUNDING, "torch.compile", _ON_OFF, _ON_OFF_WORDS),
        Axis(
            LAYOUT,
            Promise.ROUNDING,
            "the memory layout of images",
            "contiguous|channels-last",
            "contiguous or channels-last",
            driven=True,
            instead=f'{_SCRIPT_SETS_IT} --vary args="","--channels-last"',
        ),
        Axis(
            BATCH,
            Promise.ROUNDING,
            "the size of the batch",
            _WHOLE,
            "whole numbers from 1 on",
            driven=True,
            instead="a script makes its batches itself: audit a model file (make_model and make_batches)",
        ),
        Axis(
            DEVICE,
            Promise.PRECISION,
            "the device",
            "(cpu|cuda|mps|xpu)(:[0-9]+)?",
            "cpu, cuda, cuda:1, mps, xpu",
        ),
        Axis(
            DTYPE,
            Promise.PRECISION,
            "the dtype",
            "float64|float32|bfloat16|float16",
            "float64, float32, bfloat16, float16",
            driven=True,
            instead=f'{_SCRIPT_SETS_IT} --vary args="--dtype float32","--dtype bfloat16"',
        ),
    )
}
"""All axes that have a name."""


ARITHMETIC_VARIABLES = frozenset(
    {
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "ATEN_CPU_CAPABILITY",
        "MKL_CBWR",
        "MKL_ENABLE_INSTRUCTIONS",
        "ONEDNN_MAX_CPU_ISA",
        "DNNL_MAX_CPU_ISA",
        "CUBLAS_WORKSPACE_CONFIG",
        "NVIDIA_TF32_OVERRIDE",
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
        "TORCH_COMPILE_DISABLE",
    }
)
"""Environment variables by which torch and its libraries choose their arithmetic."""


def axis_named(name: str) -> Axis:
    """The axis of that name, which must be known; `env:NAME` is one for any environment variable."""
    if not name.startswith(ENVIRONMENT):
        return AXES[name]
    variable = name.removeprefix(ENVIRONMENT)
    promise = Promise.ROUNDING if variable in ARITHMETIC_VARIABLES else Promise.BITS
    return Axis(name, promise, f"the environment variable {variable}", ".*", "text")


def weakest(names: Iterable[str]) -> Promise:
    """What may be expected where several axes differ at once."""
    promises = {axis_named(name).promise for name in names}
    return next(one for one in reversed(Promise) if one in promises)
