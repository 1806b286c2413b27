"""Any environment variable: `env:NAME`."""

from __future__ import annotations

from detaudit.axes.axis import Axis, Family, Syntax
from detaudit.model.variation import Promise

PREFIX = "env:"

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


def axis_of_variable(variable: str) -> Axis[str]:
    """Make the axis along which an environment variable has other values."""
    return Axis(
        name=PREFIX + variable,
        owes=Promise.ROUNDING if variable in ARITHMETIC_VARIABLES else Promise.BITS,
        syntax=Syntax("text", str),
        environment=lambda text: {variable: text},
        pin=f"set {variable} to the same value in all runs",
        variable=variable,
    )


FAMILY = Family(PREFIX, f"{PREFIX}NAME for an environment variable", axis_of_variable)
