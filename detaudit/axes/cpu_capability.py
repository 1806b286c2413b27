"""The instruction set of torch's own kernels for the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detaudit.axes.axis import Axis, words
from detaudit.model.variation import Promise

if TYPE_CHECKING:
    from detaudit.trace.reader import TraceReader


def _in_force(reader: TraceReader, capability: str) -> str | None:
    used = str(reader.info.environment.get("cpu_capability", capability))
    return None if used.lower() == capability else f"torch uses {used} on this processor"


AXIS = Axis(
    name="cpu-capability",
    owes=Promise.ROUNDING,
    syntax=words(
        "default", "avx2", "avx512", "vsx", "zvector", "sve", "sve256", expected="default, avx2, avx512, ..."
    ),
    environment=lambda capability: {"ATEN_CPU_CAPABILITY": capability},
    in_force=_in_force,
    # torch draws several random numbers at a time, as many as a register holds.
    shares_draws=True,
    pin="set ATEN_CPU_CAPABILITY to what all machines have (avx2)",
)
