"""A dispatch mode that looks on: compiled code stays compiled, and torch._dynamo is not imported for it."""

from __future__ import annotations

from torch.utils._python_dispatch import TorchDispatchMode


class OnlookingMode(TorchDispatchMode):
    """What all modes have in common that must change nothing by being there."""

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """Leave compiled code compiled: torch would otherwise run it eagerly under a mode."""
        return True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise the first operator would import all of torch._dynamo.
        return False
