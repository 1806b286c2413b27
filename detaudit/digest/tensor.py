"""Digest of a torch tensor, whatever its dtype, layout, strides and device.

Reads the tensor; never changes it, records nothing in the autograd graph, draws no random number.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from xxhash import xxh3_128_digest

from detaudit.digest.algorithm import LEAF_BYTES, Digest, combine, digest_address, header_seed, memory_of, now
from detaudit.digest.parallel import LEAST_BYTES, digest_large
from detaudit.digest.strided import digest_strided
from detaudit.torch_private.modes import Unseen
from detaudit.torch_private.tensors import (
    is_awaited,
    is_fake,
    is_wrapped_by_functorch,
    is_wrapper_subclass,
    is_zero_tensor,
    sparse_indices,
    sparse_values,
    unwrapped,
)

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

_FORM_CACHE_ENTRIES = 4096

MOST_COPIED_BYTES = 1 << 23
"""The most bytes of a tensor in another order than row-major that is copied as a whole; a larger tensor is
copied in pieces. Torch turns a whole matrix two to four times as fast as its pieces, as long as the copy
stays in the cache."""

_STRIDED = torch.strided

_PLAIN_TYPES = frozenset({torch.Tensor, torch.nn.Parameter, torch.nn.Buffer})
"""Types whose data pointer may be asked for; on a fake tensor, asking gives a warning."""


class UndigestableError(TypeError):
    """The tensor's values cannot be reached (an opaque layout or a foreign tensor subclass)."""


@dataclass(frozen=True, slots=True)
class _TensorForm:
    """The facts that all tensors of one dtype and shape have in common."""

    seed: int
    size: int
    """Size in bytes."""
    is_plain: bool
    """True if the bytes are the values: the tensor is not quantized, nor complex (and maybe lazily
    conjugated)."""
    plain_leaf: Callable[[int], Any] | None
    """Gives the memory at an address to xxhash; None if the bytes are not plain, or not one leaf."""


_forms: dict[tuple[torch.dtype, torch.Size], _TensorForm] = {}


def tensor_digest(tensor: torch.Tensor) -> bytes:
    """Return the 16-byte digest of a tensor's bits, dtype and shape; strides and device do not enter.

    Any shape, dtype and device; waits for an accelerator to be done with the tensor. Large tensors are
    digested on as many threads as torch uses. Meta and fake tensors and those whose storage was freed (as
    sharded training does between uses), which have no values, are digested by dtype and shape. Raises
    UndigestableError where the values cannot be reached.
    """
    return now(deferred_digest(tensor))


def deferred_digest(tensor: torch.Tensor) -> Digest:
    """Start `tensor_digest` for the values as of now, without waiting for a device that can compute it."""
    # Done several times for each operator: every question put to a tensor counts.
    if type(tensor) in _PLAIN_TYPES and tensor.is_cpu and not tensor.is_neg():
        try:
            form = _forms.get((tensor.dtype, tensor.shape)) or _form(tensor)
            address = tensor.data_ptr()
            if address:
                if form.plain_leaf is not None and tensor.is_contiguous():
                    return xxh3_128_digest(form.plain_leaf(address), form.seed)
                if form.is_plain or _is_resolved(tensor):
                    return _large_or_reordered_digest(tensor, address, form)
        except RuntimeError:
            # Tensors without a storage of their own: sparse and nested ones, functorch wrappers.
            return _unusual(tensor)
    return _on_device([tensor])[0] if _has_kernels(tensor) else _unusual(tensor)


def deferred_digests(tensors: Sequence[torch.Tensor]) -> list[Digest]:
    """Digest many tensors at once: the tensors on one device are read by one launch there."""
    digests: dict[int, Digest] = {}
    there: dict[torch.device, list[int]] = {}
    for position, tensor in enumerate(tensors):
        if _has_kernels(tensor):
            there.setdefault(tensor.device, []).append(position)
        else:
            digests[position] = deferred_digest(tensor)
    for positions in there.values():
        made = _on_device([tensors[position] for position in positions])
        digests.update(zip(positions, made, strict=True))
    return [digests[position] for position in range(len(tensors))]


def form_digest(tensor: torch.Tensor) -> bytes:
    """Return the 16-byte digest of a tensor's dtype and shape alone; its values are not looked at."""
    return combine(f"meta|{tensor.dtype}|{tuple(tensor.shape)}", ())


def _form(tensor: torch.Tensor) -> _TensorForm:
    key = (tensor.dtype, tensor.shape)
    form = _forms.get(key)
    if form is None:
        if len(_forms) >= _FORM_CACHE_ENTRIES:
            _forms.clear()
        size = tensor.nbytes
        seed = header_seed(str(tensor.dtype), tensor.shape)
        is_plain = not (tensor.is_complex() or tensor.is_quantized)
        plain_leaf = memory_of(size) if is_plain and 0 < size <= LEAF_BYTES else None
        form = _forms[key] = _TensorForm(seed, size, is_plain, plain_leaf)
    return form


def _is_resolved(tensor: torch.Tensor) -> bool:
    return not tensor.is_conj() and not tensor.is_quantized


def _large_or_reordered_digest(tensor: torch.Tensor, address: int, form: _TensorForm) -> bytes:
    """Digest a plain tensor on the CPU, of any size and strides, neither lazily conjugated nor negated."""
    if tensor.is_contiguous():
        return _digest_memory(address, form)
    with Unseen():
        if form.size > MOST_COPIED_BYTES:
            return digest_strided(tensor, form.seed)
        row_major = tensor.contiguous()
        return _digest_memory(row_major.data_ptr(), form)


def _digest_memory(address: int, form: _TensorForm) -> bytes:
    if form.size >= LEAST_BYTES:
        # A value of this size was not made without torch's threads: asking for their number settles nothing.
        threads = torch.get_num_threads()
        if threads > 1:
            return digest_large(address, form.size, form.seed, threads)
    return digest_address(address, form.size, form.seed)


def _has_kernels(tensor: torch.Tensor) -> bool:
    """Say whether the device that holds a tensor can digest it."""
    if not tensor.is_cuda or type(tensor) not in _PLAIN_TYPES:
        return False
    if tensor.layout is not _STRIDED or tensor.is_nested or tensor.is_quantized:
        return False
    if is_wrapped_by_functorch(tensor) or is_zero_tensor(tensor):
        return False
    with _readable():
        # Imported late: it imports numpy, which the program itself may not.
        from detaudit.digest.device import why_not

        return bool(tensor.untyped_storage().nbytes()) and why_not(tensor.device) is None


def _on_device(tensors: Sequence[torch.Tensor]) -> list[Digest]:
    """Digest tensors of one device where they are."""
    from detaudit.digest.device import digester_for

    with _readable():
        digester = digester_for(tensors[0].device)
        if digester is None:
            raise UndigestableError(f"{tensors[0].device} no longer computes digests")
        try:
            return list(digester.submit([(tensor, _form(tensor).seed) for tensor in tensors]))
        except torch.OutOfMemoryError:
            # The program needs all of the device's memory: what is copied to the host has the same digest.
            return [_unusual(tensor) for tensor in tensors]


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Turn what a device cannot do now into the error for values that cannot be reached."""
    from detaudit.digest.device import CapturingError

    try:
        with Unseen():
            yield
    except CapturingError as error:
        raise UndigestableError("what runs while a CUDA graph is captured cannot be read") from error
    except ValueError as error:
        raise UndigestableError(str(error)) from error


def _unusual(tensor: torch.Tensor) -> bytes:
    """Bring any other tensor into the usual form and digest that."""
    with Unseen():
        if is_wrapped_by_functorch(tensor):
            return tensor_digest(unwrapped(tensor))
        if tensor.device.type == "meta" or is_fake(tensor):
            return form_digest(tensor)
        if is_wrapper_subclass(tensor):
            return _wrapper_digest(tensor)
        if tensor.is_nested:
            return combine("nested", [tensor_digest(part) for part in tensor.unbind()])
        if tensor.layout is _STRIDED:
            return _strided_digest(tensor)
        return _other_layout_digest(tensor)


def _strided_digest(tensor: torch.Tensor) -> bytes:
    if is_zero_tensor(tensor):
        return tensor_digest(torch.zeros(tensor.shape, dtype=tensor.dtype))
    if tensor.nbytes and not tensor.untyped_storage().nbytes():
        return form_digest(tensor)
    if tensor.is_quantized:
        return _quantized_digest(tensor)
    if not tensor.is_cpu:
        from detaudit.digest.device import note_copy

        note_copy(tensor.device)
    plain = tensor.detach().resolve_conj().resolve_neg().cpu()
    try:
        address = plain.data_ptr()
    except RuntimeError as error:
        raise UndigestableError(f"{type(tensor).__name__} has no storage to read") from error
    if not address and plain.nbytes:
        raise UndigestableError(f"{type(tensor).__name__} has no storage to read")
    return _large_or_reordered_digest(plain, address, _form(plain))


def _quantized_digest(tensor: torch.Tensor) -> bytes:
    scheme = tensor.qscheme()
    tag = f"quantized|{tensor.dtype}|{scheme}"
    if scheme in {torch.per_tensor_affine, torch.per_tensor_symmetric}:
        scales = f"|{tensor.q_scale()!r}|{tensor.q_zero_point()}"
        return combine(tag + scales, [tensor_digest(tensor.int_repr())])
    parts = (tensor.int_repr(), tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points())
    return combine(f"{tag}|{tensor.q_per_channel_axis()}", [tensor_digest(part) for part in parts])


def _wrapper_digest(tensor: torch.Tensor) -> bytes:
    if is_awaited(tensor):
        # Its memory is still being written, and waiting here would change the program.
        return form_digest(tensor)
    names, _ = tensor.__tensor_flatten__()  # type: ignore[attr-defined]  # checked by the caller
    parts = [getattr(tensor, name) for name in names]
    if _is_spread(tensor):
        return _spread_digest(tensor, [part for part in parts if isinstance(part, torch.Tensor)])
    inner = [tensor_digest(part) for part in parts]
    # Ragged sizes are symbols, numbered anew for every tensor.
    shape = [size if isinstance(size, int) else "ragged" for size in tensor.shape]
    return combine(f"{type(tensor).__name__}|{shape}|{len(names)}", inner)


def _is_spread(tensor: torch.Tensor) -> TypeGuard[DTensor]:
    """Say whether a tensor is spread over ranks: a DTensor, of which this process has a part."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def _spread_digest(tensor: DTensor, parts: Sequence[torch.Tensor]) -> bytes:
    """Digest this rank's part, the shape of the mesh and the way in which the whole lies on it."""
    form = f"spread|{tuple(tensor.shape)}|{tuple(tensor.device_mesh.shape)}|{tensor.placements}"
    return combine(form, [tensor_digest(part) for part in parts])


_COMPRESSED: dict[torch.layout, tuple[Callable[[torch.Tensor], torch.Tensor], ...]] = {
    torch.sparse_coo: (sparse_indices, sparse_values),
    torch.sparse_csr: (torch.Tensor.crow_indices, torch.Tensor.col_indices, torch.Tensor.values),
    torch.sparse_bsr: (torch.Tensor.crow_indices, torch.Tensor.col_indices, torch.Tensor.values),
    torch.sparse_csc: (torch.Tensor.ccol_indices, torch.Tensor.row_indices, torch.Tensor.values),
    torch.sparse_bsc: (torch.Tensor.ccol_indices, torch.Tensor.row_indices, torch.Tensor.values),
}
"""The parts of each sparse layout, as they lie there (a sparse gradient is not coalesced for this)."""


def _other_layout_digest(tensor: torch.Tensor) -> bytes:
    if tensor.is_mkldnn:
        return combine("mkldnn", [tensor_digest(tensor.to_dense())])
    parts = _COMPRESSED.get(tensor.layout)
    if parts is None:
        raise UndigestableError(f"layout {tensor.layout} cannot be digested")
    tag = f"{tensor.layout}|{tensor.dtype}|{tuple(tensor.shape)}"
    return combine(tag, [tensor_digest(part(tensor.detach())) for part in parts])
