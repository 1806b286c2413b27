"""Record weights and buffers: their values before training, and after each step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from detaudit.model.trace import Kind, Phase
from detaudit.record.gradients import Gradients
from detaudit.record.identity import IdentityMap, IdentitySet
from detaudit.record.names import Names, TensorName, plain_path
from detaudit.record.ranks import own_rank
from detaudit.record.recorder import Recorder
from detaudit.record.stream import StreamState
from detaudit.torch_private.modules import buffers_of, has_buffers, parameters_of


class Weights:
    """Records parameters and buffers of every module that is used."""

    def __init__(self, recorder: Recorder, names: Names, gradients: Gradients) -> None:
        self._recorder = recorder
        self._names = names
        self._gradients = gradients
        self._seen: IdentitySet[torch.Tensor] = IdentitySet()
        self._scanned: IdentityMap[nn.Module, int] = IdentityMap()
        self.in_modules = False
        """Whether any trained parameter belongs to a module."""
        self.awaits_lazy = False
        """Whether a root was seen with parameters that its first call is still to make."""
        self._roots: dict[str, IdentitySet[nn.Module]] = {}

    def module_called(self, stream: StreamState, module: nn.Module) -> None:
        """Record the initial values of all parts of this module's root that were not seen before."""
        root = self._names.root_of(module)
        label = self._names.module(root).root
        stream.roots_since_step[label] = None
        if self._scanned.get(root) == self._names.generation:
            return
        # Another thread that calls the same model goes on only when all its gradients are watched.
        with self._recorder.lock:
            self._scan(stream, root, label)

    def _scan(self, stream: StreamState, root: nn.Module, label: str) -> None:
        generation = self._names.generation
        if self._scanned.get(root) == generation:
            return
        self._roots.setdefault(label, IdentitySet()).add(root)
        self._names.name_parameters(root)
        if own_rank() is not None:
            self._recorder.replicas.see_module(root, self._names)
        for parameter in root.parameters():
            self.awaits_lazy |= is_lazy(parameter)
            self.first_seen(stream, parameter)
        for name, buffer in self._buffers_of(root, label):
            if buffer not in self._seen:
                self._seen.add(buffer)
                self._buffer(stream, Phase.INIT, name, buffer)
        self._scanned.set(root, generation)

    def first_seen(self, stream: StreamState, parameter: torch.Tensor) -> None:
        """Record a parameter's value and watch its gradients, if it is new and has a value."""
        if parameter in self._seen or not has_values(parameter):
            return
        self._seen.add(parameter)
        self.name_unknown([parameter])
        self.in_modules = self.in_modules or self._is_trained(parameter)
        self._weight(stream, Phase.INIT, parameter, None)
        self._gradients.watch(parameter)

    def lazy_made(self, stream: StreamState, module: nn.Module) -> None:
        """Record parameters that a lazy module made in its first call, which just ended."""
        for parameter in parameters_of(module).values():
            if parameter is not None:
                self.first_seen(stream, parameter)

    def after_update(self, stream: StreamState, parameters: list[torch.Tensor], site: bytes) -> None:
        """Record parameters as the step at `site` left them."""
        self.name_unknown(parameters)
        for parameter in parameters:
            if has_values(parameter):
                self._weight(stream, Phase.OPTIMIZER, parameter, site)

    def buffers(self, stream: StreamState) -> None:
        """Record the buffers of every root that was called in this step."""
        for label in stream.roots_since_step:
            for root in self._roots.get(label, ()):
                for name, buffer in self._buffers_of(root, label):
                    self._buffer(stream, Phase.OPTIMIZER, name, buffer)

    def _buffers_of(self, root: nn.Module, label: str) -> Iterator[tuple[TensorName, torch.Tensor]]:
        if not has_buffers(root):
            return
        for path, part in root.named_modules():
            for name, buffer in buffers_of(part).items():
                if buffer is not None and has_values(buffer):
                    yield TensorName(label, plain_path(path), name, self._names.made_at(buffer)), buffer

    def meet(self, stream: StreamState, leaves: list[torch.Tensor]) -> None:
        """Record the leaves of a graph that were not seen before."""
        self._names.name_leaves(leaves)
        for leaf in leaves:
            self.first_seen(stream, leaf)

    def trained(self) -> list[torch.Tensor]:
        """Return all living parameters that want a gradient, of the modules that were seen."""
        return [tensor for tensor in self._seen if self._is_trained(tensor)]

    def _is_trained(self, tensor: torch.Tensor) -> bool:
        name = self._names.tensor(tensor)
        return tensor.requires_grad and tensor.is_leaf and name is not None and name.module is not None

    def name_unknown(self, parameters: list[torch.Tensor]) -> None:
        """Find names for parameters that have none: in their modules if possible."""
        if all(self._names.tensor(parameter) is not None for parameter in parameters):
            return
        for roots in self._roots.values():
            for root in roots:
                self._names.name_parameters(root)
        self._names.name_anonymous(parameters)

    def _weight(self, stream: StreamState, phase: Phase, parameter: torch.Tensor, site: bytes | None) -> None:
        name = self._names.tensor(parameter)
        if name is None:
            raise KeyError("a parameter without a name")
        recorder = self._recorder
        key = recorder.key(phase, Kind.WEIGHT, name.root, name.module, name.name)
        digest = recorder.digests.value(parameter)
        recorder.add(stream, key, digest, site=name.site if site is None else site)

    def _buffer(self, stream: StreamState, phase: Phase, name: TensorName, buffer: torch.Tensor) -> None:
        recorder = self._recorder
        key = recorder.key(phase, Kind.BUFFER, name.root, name.module, name.name)
        recorder.add(stream, key, recorder.digests.value(buffer), site=name.site)


def has_values(tensor: torch.Tensor) -> bool:
    """Say whether a tensor has values: a lazy parameter before its first use, or a meta tensor, has none."""
    return not is_lazy(tensor) and not tensor.is_meta
