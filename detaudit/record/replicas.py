"""Find the weights of which several ranks hold copies, and which ranks those are.

Two kinds are known: parameters of `DistributedDataParallel`, and tensors that are spread over ranks with
`Replicate` placements (https://docs.pytorch.org/docs/stable/distributed.tensor.html). Buffers are not among
them: between two forward passes each rank has its own, whatever is synchronised before the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from detaudit.model.trace import Kind, Place, Rank
from detaudit.record.names import Names, TensorName
from detaudit.record.ranks import mesh_in_words
from detaudit.trace.layout import IDENTITY, KEY_BYTES

Parameter = tuple[str, str | None, str]
"""Root, module and name of a parameter, as its place has them."""


class Replicas:
    """The parameters of this process of which other ranks hold copies."""

    def __init__(self) -> None:
        self._meshes: dict[str, None] = {}
        self._ranks: dict[Parameter, str] = {}
        self._keys: dict[bytes, str] = {}
        self._data_parallel: tuple[int, ...] = ()

    def header(self, rank: Rank | None, steps: int, *, finished: bool) -> list[dict[str, object]]:
        """Describe this process's rank for the header of the trace; nothing where it has none."""
        if rank is None:
            return []
        mesh, group = "; ".join(self._meshes), self._data_parallel
        return [asdict(replace(rank, mesh=mesh, data_parallel=group, steps=steps, finished=finished))]

    def see_module(self, root: nn.Module, names: Names) -> None:
        """Take in the parameters of a module, which have names already."""
        for module in root.modules():
            if isinstance(module, DistributedDataParallel):
                self._see_copies(module, names)
            elif type(module).__name__.startswith("FSDP"):
                self._see_shards(module)
        for parameter in root.parameters():
            self._see_spread(parameter, names)

    def announce(self, key: bytes, place: Place) -> None:
        """Take in the key of a new place, in case it is that of a parameter of which there are copies."""
        if place.kind is Kind.WEIGHT and self._ranks:
            ranks = self._ranks.get((place.root, place.module, place.name))
            if ranks is not None:
                self._keys[key] = ranks

    def rows(self, identity: bytes) -> dict[str, bytes]:
        """Pick the events of copies out of a packed step, for each group of ranks that holds them."""
        picked: dict[str, list[bytes]] = {}
        if self._keys:
            for start in range(0, len(identity), IDENTITY.size):
                ranks = self._keys.get(identity[start : start + KEY_BYTES])
                if ranks is not None:
                    picked.setdefault(ranks, []).append(identity[start : start + IDENTITY.size])
        return {ranks: b"".join(events) for ranks, events in picked.items()}

    def _see_copies(self, module: DistributedDataParallel, names: Names) -> None:
        ranks = self._data_parallel = tuple(distributed.get_process_group_ranks(module.process_group))
        for name, parameter in module.module.named_parameters():
            if name not in module.parameters_to_ignore:
                self._note(names.tensor(parameter), ranks)

    def _see_shards(self, module: nn.Module) -> None:
        meshes = [
            mesh for one in module.parameters() if (mesh := getattr(one, "device_mesh", None)) is not None
        ]
        # With a mesh of more dimensions, one of them may be that of a layer's own parts.
        if meshes and all(mesh.ndim == 1 for mesh in meshes):
            self._data_parallel = tuple(meshes[0].mesh.flatten().tolist())

    def _see_spread(self, parameter: Any, names: Names) -> None:
        mesh = getattr(parameter, "device_mesh", None)
        if mesh is None or mesh.get_coordinate() is None:
            return
        self._meshes[mesh_in_words(mesh)] = None
        ranks = mesh.mesh
        for dimension in reversed(range(mesh.ndim)):
            if not parameter.placements[dimension].is_replicate():
                ranks = ranks.select(dimension, mesh.get_coordinate()[dimension])
        self._note(names.tensor(parameter), ranks.flatten().tolist())

    def _note(self, name: TensorName | None, ranks: Iterable[int]) -> None:
        members = sorted(ranks)
        if name is not None and len(members) > 1:
            self._ranks[name.root, name.module, name.name] = ",".join(map(str, members))
