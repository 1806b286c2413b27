"""Name modules and parameters so that the names are equal in every run.

A module is named by its path below the outermost module that holds it, however it is called; that
outermost module, the root, by its class, with `#2` and so on for further ones in order of first use.
A module that torch.compile wraps keeps the name of the original module.
"""

from __future__ import annotations

import itertools
import weakref
from dataclasses import dataclass

import torch
from torch import nn

from detaudit.digest.tensor import tensor_digest
from detaudit.record.identity import IdentityMap
from detaudit.record.sites import Sites
from detaudit.torch_private.by_name import COMPILED_MODULE, UNCOMPILED_PART
from detaudit.torch_private.modules import parts_of
from detaudit.trace.layout import NO_SITE


@dataclass(frozen=True, slots=True)
class TensorName:
    """The name of a parameter or buffer, and the line that made it."""

    root: str
    module: str | None
    name: str
    site: bytes


@dataclass(frozen=True, slots=True)
class ModuleName:
    """The name of a module."""

    root: str
    path: str


class Names:
    """Knows every module and parameter of the process by name."""

    def __init__(self, sites: Sites) -> None:
        self._sites = sites
        self.generation = 0
        """Grows whenever a module gets a new part: names that were looked up before may be incomplete."""
        self._parents: IdentityMap[nn.Module, weakref.ref[nn.Module]] = IdentityMap()
        self._made_at: IdentityMap[torch.Tensor, bytes] = IdentityMap()
        self._labels: IdentityMap[nn.Module, str] = IdentityMap()
        self._class_counts: dict[str, int] = {}
        self._modules: IdentityMap[nn.Module, ModuleName] = IdentityMap()
        self._tensors: IdentityMap[torch.Tensor, TensorName] = IdentityMap()
        self._anonymous: dict[torch.Size, int] = {}

    def module_registered(self, parent: nn.Module, _name: str, child: nn.Module | None) -> None:
        """Note in a hook that `child` became a part of `parent`."""
        self.generation += 1
        if child is not None and self._parents.get(child) is None:
            self._parents.set(child, weakref.ref(parent))

    def parameter_registered(self, _module: nn.Module, _name: str, parameter: torch.Tensor | None) -> None:
        """Note in a hook that a module got a parameter, and the line: the site of its initial value."""
        self.generation += 1
        if parameter is not None and self._made_at.get(parameter) is None:
            self._made_at.set(parameter, self._sites.here())

    def buffer_registered(self, module: nn.Module, name: str, buffer: torch.Tensor | None) -> None:
        """Note in a hook that a module got a buffer."""
        self.parameter_registered(module, name, buffer)

    def module(self, module: nn.Module) -> ModuleName:
        """Return the name of a module."""
        module = uncompiled(module)
        known = self._modules.get(module)
        if known is None:
            root = self.root_of(module)
            label = self._label(root)
            for path, part in root.named_modules():
                if self._modules.get(part) is None:
                    self._modules.set(part, ModuleName(label, plain_path(path)))
            known = self._modules.get(module)
            if known is None:
                # A module that its parent no longer holds: it stands for itself.
                known = ModuleName(self._label(module), "")
                self._modules.set(module, known)
        return known

    def root_of(self, module: nn.Module) -> nn.Module:
        """Return the outermost module that holds this module."""
        seen = {id(module)}
        while True:
            reference = self._parents.get(module)
            parent = None if reference is None else reference()
            if parent is None or id(parent) in seen:
                return uncompiled(module)
            seen.add(id(parent))
            module = parent

    def name_parameters(self, module: nn.Module) -> None:
        """Name all parameters that the module's root holds now."""
        root = self.root_of(module)
        for name, parameter in root.named_parameters():
            if self._tensors.get(parameter) is None:
                path, _, last = plain_path(name).rpartition(".")
                site = self._made_at.get(parameter) or NO_SITE
                self._tensors.set(parameter, TensorName(self._label(root), path, last, site))

    def tensor(self, tensor: torch.Tensor) -> TensorName | None:
        """Return the name of a parameter; None if the parameter has no name yet."""
        return self._tensors.get(tensor)

    def made_at(self, tensor: torch.Tensor) -> bytes:
        """Return the line that made a parameter or buffer part of its module; NO_SITE if it is not known."""
        return self._made_at.get(tensor) or NO_SITE

    def name_anonymous(self, tensors: list[torch.Tensor]) -> None:
        """Name tensors that an optimizer trains without their belonging to a module.

        Their position may differ between equal runs, so they are named by shape and, among equal shapes, in
        the order of their digests at the time they are first seen.
        """
        unknown = [tensor for tensor in tensors if self._tensors.get(tensor) is None]
        for tensor in sorted(unknown, key=_shape_and_digest):
            number = self._anonymous[tensor.shape] = self._anonymous.get(tensor.shape, 0) + 1
            self._tensors.set(tensor, _anonymous_name(tensor, number))

    def name_leaves(self, leaves: list[torch.Tensor]) -> None:
        """Name the leaves of one graph in the same way, counting anew in every graph.

        A program may replace its parameters by new tensors in each step: those get the old names again.
        """
        known = {name for name in map(self._tensors.get, leaves) if name is not None}
        for leaf in sorted(
            (leaf for leaf in leaves if self._tensors.get(leaf) is None), key=_shape_and_digest
        ):
            names = (_anonymous_name(leaf, number) for number in itertools.count(1))
            name = next(name for name in names if name not in known)
            known.add(name)
            self._tensors.set(leaf, name)

    def _label(self, root: nn.Module) -> str:
        label = self._labels.get(root)
        if label is None:
            name = type(root).__name__
            count = self._class_counts[name] = self._class_counts.get(name, 0) + 1
            label = name if count == 1 else f"{name}#{count}"
            self._labels.set(root, label)
        return label


def uncompiled(module: nn.Module) -> nn.Module:
    """Return the module inside a module that torch.compile made; return any other module as it is."""
    while type(module).__name__ == COMPILED_MODULE:
        inner = parts_of(module).get(UNCOMPILED_PART)
        if inner is None:
            break
        module = inner
    return module


def plain_path(path: str) -> str:
    """Return the path of a module or parameter without the part that torch.compile adds."""
    if UNCOMPILED_PART not in path:
        return path
    return ".".join(part for part in path.split(".") if part != UNCOMPILED_PART)


def _shape_and_digest(tensor: torch.Tensor) -> tuple[tuple[int, ...], bytes]:
    return tuple(tensor.shape), tensor_digest(tensor)


def _anonymous_name(tensor: torch.Tensor, number: int) -> TensorName:
    text = "x".join(map(str, tensor.shape)) or "scalar"
    return TensorName("", None, f"tensor[{text}]#{number}", NO_SITE)
