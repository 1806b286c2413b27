"""Record gradients: of module outputs, and of parameters, both as they arrive and as they are accumulated."""

from __future__ import annotations

import time
import weakref

import torch

from detaudit.model.trace import Kind, Level, Phase
from detaudit.record.identity import IdentitySet
from detaudit.record.names import Names, TensorName
from detaudit.record.recorder import Recorder
from detaudit.torch_private.modes import without_function_modes
from detaudit.trace.layout import NO_SITE


class _Hook:
    """A hook of autograd's that records a gradient and leaves it as it is.

    A class, and not wrapped by `observing`: one is made for each output of each module call.
    """

    __slots__ = ("_key", "_recorder", "_site")

    def __init__(self, recorder: Recorder, key: bytes, site: bytes) -> None:
        self._recorder = recorder
        self._key = key
        self._site = site

    def _record(self, gradient: torch.Tensor) -> None:
        recorder = self._recorder
        if not recorder.active or torch.compiler.is_compiling():
            return
        start = time.perf_counter()
        try:
            # A function mode of the program's own is not to see what is done here.
            with without_function_modes():
                stream = recorder.stream()
                stream.gradients_seen += 1
                recorder.add(stream, self._key, recorder.digests.value(gradient), site=self._site)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            recorder.fail(error)
        recorder.seconds += time.perf_counter() - start


class GradientOfOutput(_Hook):
    """Hook of a graph node, for one output of a module."""

    __slots__ = ("_number",)

    def __init__(self, recorder: Recorder, key: bytes, site: bytes, number: int) -> None:
        super().__init__(recorder, key, site)
        self._number = number

    def __call__(self, gradients: tuple[torch.Tensor | None, ...]) -> None:
        """Record the gradient that arrives at the output."""
        gradient = gradients[self._number]
        if gradient is not None:
            self._record(gradient)


class _Arriving(_Hook):
    """Hook of a leaf: records its gradient as it arrives."""

    __slots__ = ("_gradients", "_leaf", "_name", "_sum")

    # Without this mark, sending the parameter to another process would give a warning about hooks.
    __torch_unserializable__ = True

    def __init__(
        self, recorder: Recorder, gradients: Gradients, name: TensorName, leaf: torch.Tensor
    ) -> None:
        key = recorder.key(Phase.BACKWARD, Kind.GRAD, name.root, name.module, name.name)
        super().__init__(recorder, key, name.site)
        self._gradients = gradients
        self._name = name
        # Weakly, because the leaf itself holds the hooks.
        self._leaf = weakref.ref(leaf)
        self._sum: _Accumulated | None = None

    def __call__(self, gradient: torch.Tensor) -> None:
        """Record the gradient; if it will be added to an existing one, have the sum recorded too."""
        self._site = self._gradients.called_at.get((self._name.root, self._name.module)) or self._name.site
        leaf = self._leaf()
        if leaf is not None and leaf.grad is not None:
            if self._sum is None:
                self._sum = _Accumulated(self._recorder, self._name)
                hook = leaf.register_post_accumulate_grad_hook(self._sum)
                self._recorder.scope.on_end(hook.remove)
            self._sum.expect(self._site)
        self._record(gradient)


class _Accumulated(_Hook):
    """Hook of a leaf: records its gradient after it was added to the gradient that was there.

    The first gradient is stored as it arrived, which was recorded then.
    """

    __slots__ = ("_expected",)

    def __init__(self, recorder: Recorder, name: TensorName) -> None:
        key = recorder.key(Phase.BACKWARD, Kind.GRAD_ACCUMULATED, name.root, name.module, name.name)
        super().__init__(recorder, key, NO_SITE)
        self._expected = False

    def expect(self, site: bytes) -> None:
        """Note that the gradient of a module called at `site` is about to be added."""
        self._expected, self._site = True, site

    def __call__(self, leaf: torch.Tensor) -> None:
        """Record the sum."""
        if self._expected and leaf.grad is not None:
            self._expected = False
            self._record(leaf.grad)


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
        recorder = self._recorder
        if recorder.level is Level.STEP or parameter in self._watched:
            return
        if not parameter.requires_grad or not parameter.is_leaf:
            return
        name = self._names.tensor(parameter)
        if name is None:
            raise KeyError("a parameter without a name")
        self._watched.add(parameter)
        arriving = _Arriving(recorder, self, name, parameter)
        recorder.scope.on_end(parameter.register_hook(arriving).remove)
