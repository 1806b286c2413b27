"""Digest of a torch tensor, whatever its dtype, layout, strides and device.

Reads the tensor; never changes it, records nothing in the autograd graph, draws no random number.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch._C import _AutoDispatchBelowAutograd, _DisableTorchDispatch, _functorch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from detaudit.digest.algorithm import combine, digest_address, header_seed

_SEED_CACHE_ENTRIES = 4096

_seeds: dict[tuple[torch.dtype, torch.Size], int] = {}

_STRIDED = torch.strided

_PLAIN_TYPES = frozenset({torch.Tensor, torch.nn.Parameter, torch.nn.Buffer})
"""Types whose data pointer may be asked for; on a fake tensor, asking gives a warning."""


class UndigestableError(TypeError):
    """The tensor's values cannot be reached (an opaque layout or a foreign tensor subclass)."""


def tensor_digest(tensor: torch.Tensor) -> bytes:
    """Return the 16-byte digest of a tensor's bits, dtype and shape; strides and device do not enter.

    Any shape, dtype and device; a tensor on an accelerator is copied to the host first, which waits for
    it. Meta and fake tensors and those whose storage was freed (as sharded training does between uses),
    which have no values, are digested by dtype and shape. Raises UndigestableError where the values
    cannot be reached.
    """
    if type(tensor) in _PLAIN_TYPES and tensor.is_cpu and tensor.layout is _STRIDED:
        try:
            if (
                tensor.is_contiguous()
                and not tensor.is_neg()
                and not (tensor.is_complex() and tensor.is_conj())
            ):
                address = tensor.data_ptr()
                if address or not tensor.nbytes:
                    return digest_address(address, tensor.nbytes, _seed(tensor))
        except RuntimeError:
            # Tensors without a storage of their own: functorch wrappers, nested tensors.
            return _unusual(tensor)
    return _unusual(tensor)


def form_digest(tensor: torch.Tensor) -> bytes:
    """Return the 16-byte digest of a tensor's dtype and shape alone; its values are not looked at."""
    return combine(f"meta|{tensor.dtype}|{tuple(tensor.shape)}", ())


def _seed(tensor: torch.Tensor) -> int:
    key = (tensor.dtype, tensor.shape)
    seed = _seeds.get(key)
    if seed is None:
        if len(_seeds) >= _SEED_CACHE_ENTRIES:
            _seeds.clear()
        seed = _seeds[key] = header_seed(str(tensor.dtype), tensor.shape)
    return seed


def _unusual(tensor: torch.Tensor) -> bytes:
    """Bring any other tensor into the usual form and digest that."""
    # Below autograd and without dispatch modes: what is done here is nobody's business but ours.
    with _AutoDispatchBelowAutograd(), _DisableTorchDispatch(), torch._C.DisableTorchFunction():
        if _functorch.is_functorch_wrapped_tensor(tensor):
            return tensor_digest(_functorch.get_unwrapped(tensor))
        if tensor.device.type == "meta" or is_fake(tensor):
            return form_digest(tensor)
        if is_traceable_wrapper_subclass(tensor):
            return _wrapper_digest(tensor)
        if tensor.is_nested:
            return combine("nested", [tensor_digest(part) for part in tensor.unbind()])
        if tensor.layout is _STRIDED:
            return _strided_digest(tensor)
        return _other_layout_digest(tensor)


def is_fake(tensor: torch.Tensor) -> bool:
    """Whether a tensor stands for values that do not exist (inside torch.compile and torch.export)."""
    # By name: importing torch._subclasses costs time that most programs never need.
    name = type(tensor).__name__
    return name == "FakeTensor" or (name == "FunctionalTensor" and torch._is_functional_tensor(tensor))


def _strided_digest(tensor: torch.Tensor) -> bytes:
    if tensor._is_zerotensor():
        return tensor_digest(torch.zeros(tensor.shape, dtype=tensor.dtype))
    if tensor.nbytes and not tensor.untyped_storage().nbytes():
        return form_digest(tensor)
    if tensor.is_quantized:
        return combine(f"quantized|{tensor.dtype}|{tensor.qscheme()}", [tensor_digest(tensor.int_repr())])
    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    try:
        address = plain.data_ptr()
    except RuntimeError as error:
        raise UndigestableError(f"{type(tensor).__name__} has no storage to read") from error
    if not address and plain.nbytes:
        raise UndigestableError(f"{type(tensor).__name__} has no storage to read")
    return digest_address(address, plain.nbytes, _seed(plain))


def _wrapper_digest(tensor: torch.Tensor) -> bytes:
    names, _ = tensor.__tensor_flatten__()  # type: ignore[attr-defined]  # checked by the caller
    inner = [tensor_digest(getattr(tensor, name)) for name in names]
    # Ragged sizes are symbols, numbered anew for every tensor.
    shape = [size if isinstance(size, int) else "ragged" for size in tensor.shape]
    return combine(f"{type(tensor).__name__}|{shape}|{len(names)}", inner)


_COMPRESSED: dict[torch.layout, tuple[Callable[[torch.Tensor], torch.Tensor], ...]] = {
    torch.sparse_coo: (torch.Tensor._indices, torch.Tensor._values),
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
