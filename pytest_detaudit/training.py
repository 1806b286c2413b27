"""Notice whether a test trains: a backward pass or an optimizer step while it ran."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from detaudit.sources.imports import ImportWatch
from detaudit.torch_private.by_name import backward_engines
from detaudit.torch_private.loaded import is_loaded


class TrainingWatch:
    """Notices backward passes and optimizer steps from the first import of torch on; changes nothing else."""

    def __init__(self) -> None:
        self.seen = False
        """Whether the program has trained since this was last set to False."""
        self._watching = False
        ImportWatch().when_imported("torch", self._watch)

    @property
    def missed(self) -> bool:
        """Whether torch was loaded unnoticed, so that nothing can be said about any test."""
        return not self._watching and is_loaded()

    def _watch(self, torch: ModuleType) -> None:
        self._watching = True
        for spot in backward_engines(torch):
            setattr(*spot, self._noticing(spot.current))
        from torch.optim.optimizer import register_optimizer_step_post_hook

        register_optimizer_step_post_hook(self._stepped)

    def _noticing(self, run: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(run)
        def running(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the function itself
            self.seen = True
            return run(*args, **kwargs)

        return running

    def _stepped(self, *_: object) -> None:
        self.seen = True
