"""torch.compile, or eager mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detaudit.axes.axis import Axis, OnModel, in_brief, on_off
from detaudit.model.variation import Promise
from detaudit.torch_private.by_name import COMPILERS

if TYPE_CHECKING:
    from detaudit.trace.reader import TraceReader


class _Compiled(OnModel):
    """Compiles the model."""

    def compiled(self, model: Any) -> Any:
        """Compile it, so that random numbers are those of another run without compilation."""
        import torch

        return torch.compile(model, options={"fallback_random": True})

    def explain(self, error: Exception) -> str | None:
        """Tell errors of the compiler from those of the program."""
        ours = type(error).__module__.startswith(COMPILERS)
        return f"torch.compile failed: {in_brief(error)}" if ours else None


def _set(on: bool) -> None:  # noqa: FBT001 - the value of the axis
    """Let compiled code draw the random numbers that the same code draws otherwise."""
    if on:
        from detaudit.torch_private.compiling import draw_as_uncompiled

        draw_as_uncompiled()


def _graphs(reader: TraceReader) -> bool:
    return bool(reader.info.environment.get("compiled_graphs"))


def _in_force(reader: TraceReader, on: bool) -> str | None:  # noqa: FBT001 - the value of the axis
    return None if on or not _graphs(reader) else "the program called torch.compile itself"


AXIS = Axis(
    name="compile",
    owes=Promise.ROUNDING,
    syntax=on_off(),
    environment=lambda on: {} if on else {"TORCH_COMPILE_DISABLE": "1"},
    in_process=_set,
    model=lambda on: _Compiled() if on else None,
    in_force=_in_force,
    used_by=_graphs,
    unused="nothing was compiled; a script must call torch.compile itself",
    hides_layers=True,
    operators_comparable=False,
    in_float64="off",
    explains="compiled code drew the random numbers of eager code (inductor's fallback_random)",
    pin="compile in all runs or in none, with one version of torch",
)
