"""Gradients of parameters: as each arrives in a backward pass, and as it is accumulated."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

import torch

from detaudit.digest.tensor import tensor_digest
from detaudit.model.trace import Kind, Level, Phase
from detaudit.record.identity import IdentitySet
from detaudit.record.names import Names, TensorName
from detaudit.record.observing import digest_or_none, observing
from detaudit.record.recorder import Recorder


@dataclass(slots=True)
class _Leaf:
    name: TensorName
    parameter: weakref.ref[torch.Tensor]
    accumulates: bool = False
    """Whether the gradient that just arrived is added to one that was there."""


class Gradients:
    """Watches leaves with tensor hooks, which change neither the graph nor the gradient."""

    def __init__(self, recorder: Recorder, names: Names) -> None:
        self._recorder = recorder
        self._names = names
        self._watched: IdentitySet[torch.Tensor] = IdentitySet()
        self.called_at: dict[tuple[str, str | None], bytes] = {}
        """The line that last called a module: the site of its gradients."""

    def watch(self, parameter: torch.Tensor) -> None:
        """Record this leaf's gradients from now on (level `layer` and above)."""
        if self._recorder.level is Level.STEP or parameter in self._watched:
            return
        if not parameter.requires_grad or not parameter.is_leaf:
            return
        name = self._names.tensor(parameter)
        if name is None:
            raise KeyError("a parameter without a name")
        self._watched.add(parameter)
        # Weakly, because the parameter itself holds the hooks.
        leaf = _Leaf(name, weakref.ref(parameter))
        scope = self._recorder.scope
        scope.on_end(parameter.register_hook(self._arriving(leaf)).remove)
        scope.on_end(parameter.register_post_accumulate_grad_hook(self._accumulated(leaf)).remove)

    def _arriving(self, leaf: _Leaf) -> Callable[[torch.Tensor], None]:
        def arriving(gradient: torch.Tensor) -> None:
            parameter = leaf.parameter()
            leaf.accumulates = parameter is not None and parameter.grad is not None
            self._add(Kind.GRAD, leaf.name, gradient)

        hook = observing(self._recorder, arriving)
        # Without this mark, sending the parameter to another process would give a warning about hooks.
        hook.__torch_unserializable__ = True  # type: ignore[attr-defined]  # torch.utils.hooks looks for it
        return hook

    def _accumulated(self, leaf: _Leaf) -> Callable[[torch.Tensor], None]:
        def accumulated(parameter: torch.Tensor) -> None:
            # The first gradient is stored as it arrived, which was recorded then.
            if leaf.accumulates and parameter.grad is not None:
                self._add(Kind.GRAD_ACCUMULATED, leaf.name, parameter.grad)

        return observing(self._recorder, accumulated)

    def _add(self, kind: Kind, name: TensorName, gradient: torch.Tensor) -> None:
        recorder = self._recorder
        if torch.compiler.is_compiling():
            return
        stream = recorder.stream()
        stream.gradients_seen += 1
        key = recorder.key(Phase.BACKWARD, kind, name.root, name.module, name.name)
        site = self.called_at.get((name.root, name.module)) or name.site
        recorder.add(stream, key, digest_or_none(recorder, tensor_digest, gradient), site=site)
