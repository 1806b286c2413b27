"""Let side threads, or certain lines, draw from torch's default generator without changing its state."""

from __future__ import annotations

from typing import Any

import torch

from detaudit.sources.side_draws import isolates
from detaudit.sources.taps import Taps
from detaudit.torch_private.modes import OnlookingMode, Unseen
from detaudit.torch_private.operators import OpOverload


class IsolatedDraws(OnlookingMode):
    """Gives the default generator back, after each draw, the state that it had before."""

    supports_higher_order_operators = True

    def __init__(self, taps: Taps) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._taps = taps

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the operator."""
        kwargs = kwargs or {}
        if not isinstance(func, OpOverload):
            return func(*args, **kwargs)
        if torch.Tag.nondeterministic_seeded not in func.tags or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        if not isolates(self._taps):
            return func(*args, **kwargs)
        with Unseen():
            state = torch.default_generator.get_state()
        result = func(*args, **kwargs)
        with Unseen():
            torch.default_generator.set_state(state)
        return result
