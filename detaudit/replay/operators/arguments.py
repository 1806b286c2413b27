"""Decode the arguments and results of operators that another run kept, as they were or in this run's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from detaudit.replay.operators.plain import decode, is_strided
from detaudit.torch_private.tensors import negative_view, overlaps_itself


def as_text(values: dict[str, Any] | None) -> str | None:
    """Turn kept values into JSON. Raises TypeError for a value that JSON cannot hold."""
    return None if values is None else json.dumps(values, default=_complex)


def _complex(value: object) -> dict[str, list[float]]:
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    raise TypeError(f"{type(value).__name__} cannot be written down")


class KeptArguments:
    """Decodes the values of one call; tensors that shared memory in the other run share it again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storages: dict[int, torch.Tensor] = {}

    def decode(self, value: Any) -> Any:
        """Decode an argument as it was in the other run."""
        return decode(value, self._restored)

    def like(self, value: Any, own: Any) -> Any:
        """Decode an argument in this run's form: with the device, dtype and memory order of `own`."""
        if isinstance(own, torch.Tensor):
            kept = self.decode(value)
            if not isinstance(kept, torch.Tensor):
                return kept
            formed = _in_form_of(own, kept)
            # Some kernels give more where a gradient will be asked for.
            differentiable = own.requires_grad and (formed.is_floating_point() or formed.is_complex())
            return formed.requires_grad_(differentiable and not formed.is_inference())
        if isinstance(own, torch.device | torch.dtype | torch.layout | torch.memory_format):
            return own
        if isinstance(own, list | tuple) and isinstance(value, list) and len(own) == len(value):
            return [self.like(item, other) for item, other in zip(value, own, strict=True)]
        if isinstance(own, dict) and isinstance(value, dict) and own.keys() == value.keys():
            return {name: self.like(item, own[name]) for name, item in value.items()}
        return self.decode(value)

    def _restored(self, value: Any) -> torch.Tensor | None:
        match value:
            case {"memory": str(digest)}:
                return self._tensor(value, digest)
            case {"whole": str(digest), "device": str(device)}:
                return self._load(digest).to(device)
        return None

    def _tensor(self, form: Mapping[str, Any], digest: str) -> torch.Tensor:
        number = form["storage"]
        if number not in self._storages:
            self._storages[number] = self._load(digest).to(form["device"])
        memory = self._storages[number].untyped_storage()
        empty = torch.empty(0, dtype=getattr(torch, form["dtype"]), device=form["device"])
        tensor = empty.set_(memory, form["offset"], form["shape"], form["stride"])
        # As lazily as it was: kernels conjugate while they compute.
        is_conjugate, is_negative = form["flags"]
        tensor = tensor.conj() if is_conjugate else tensor
        return negative_view(tensor) if is_negative else tensor

    def _load(self, digest: str) -> torch.Tensor:
        tensor: torch.Tensor = torch.load(self._folder / f"{digest}.pt", weights_only=True)
        return tensor


def _in_form_of(own: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Convert the kept values to the form of a tensor of this run."""
    same_kind = own.is_floating_point() == kept.is_floating_point() and own.is_complex() == kept.is_complex()
    dtype = own.dtype if same_kind and own.dtype is not torch.bool is not kept.dtype else kept.dtype
    if not (is_strided(own) and is_strided(kept)) or own.shape != kept.shape:
        return kept.to(own.device, dtype)
    if (own.device, dtype, own.stride()) == (kept.device, kept.dtype, kept.stride()):
        return kept
    if overlaps_itself(own):
        # Several elements in one place: only a tensor that no operator may write to is like that.
        return kept.to(own.device, dtype)
    return torch.empty_strided(own.shape, own.stride(), dtype=dtype, device=own.device).copy_(kept)
