"""The number of threads that operators compute with: it decides how sums are taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detaudit.axes.axis import Axis, whole
from detaudit.model.variation import Promise

if TYPE_CHECKING:
    from detaudit.trace.reader import TraceReader

SEEN_AS = "torch_threads"
"""The key of the number of threads in the environment of a trace."""

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def variables(number: int) -> dict[str, str]:
    """Give the environment variables by which torch and numpy choose the number of their threads."""
    return dict.fromkeys(_VARIABLES, str(number))


def _in_force(reader: TraceReader, number: int) -> str | None:
    # A process that only starts others which train never loads torch: nothing is known then.
    used = reader.info.environment.get(SEEN_AS, number)
    return None if used == number else f"the program set the number of threads itself, to {used}"


AXIS = Axis(
    name="threads",
    owes=Promise.ROUNDING,
    syntax=whole(1),
    environment=variables,
    in_force=_in_force,
    pin="pin the number of threads: torch.set_num_threads(N), or OMP_NUM_THREADS=N",
)
