"""Value -> sketch: a summary from which the size of a difference can be estimated when the value is gone.

The same on every machine up to float64 rounding; reads the value, changes nothing, draws no random number.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

import numpy as np
import torch

from detaudit.model.sketch import BUCKETS, Sketch
from detaudit.torch_private.modes import Unseen
from detaudit.torch_private.tensors import is_wrapped_by_functorch, unwrapped

_CHUNK = 1 << 16
"""Numbers that are taken at a time. Signs and sums are chosen for one chunk, and shifted for each further."""

_GOLDEN = 0x9E3779B97F4A7C15

_Counters = np.ndarray[tuple[int], np.dtype[np.uint64]]
_Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]


def sketch(value: object) -> Sketch | None:
    """Sketch all floating-point and complex numbers of a tensor, or of tensors in tuples, lists and mappings.

    Any shape and device. Returns None where there are none, or where one of the tensors is not strided or
    has no values (meta, fake).
    """
    with Unseen():
        tensors = list(_floating(value))
        if not tensors or not all(map(_is_readable, tensors)):
            return None
        return _sketch(np.concatenate([_numbers(tensor) for tensor in tensors]))


def _floating(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        if is_wrapped_by_functorch(value):
            # As in digesting: the numbers of all that vmap or grad computes with at once.
            yield from _floating(unwrapped(value))
        elif value.is_floating_point() or value.is_complex():
            yield value
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _floating(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _floating(item)


def _is_readable(tensor: torch.Tensor) -> bool:
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type == "meta":
        return False
    return type(tensor) in {torch.Tensor, torch.nn.Parameter, torch.nn.Buffer} and not tensor.is_nested


def _numbers(tensor: torch.Tensor) -> _Numbers:
    """Return the tensor's numbers in row-major order, in float64; a complex number gives two."""
    plain = tensor.detach().resolve_conj().resolve_neg().cpu()
    if plain.is_complex():
        plain = torch.view_as_real(plain)
    numbers: _Numbers = plain.to(torch.float64).reshape(-1).numpy()
    return numbers


def _sketch(numbers: _Numbers) -> Sketch:
    finite = np.isfinite(numbers)
    not_finite = int(numbers.size - np.count_nonzero(finite))
    if not_finite:
        numbers = np.where(finite, numbers, 0.0)
    projection = np.zeros(BUCKETS)
    for chunk, start in enumerate(range(0, numbers.size, _CHUNK)):
        projection += _projected(numbers[start : start + _CHUNK], chunk)
    # Not `np.linalg.norm`, which may add with several threads: the last bits would depend on their number.
    norm = float(np.sqrt(np.sum(numbers * numbers)))
    return Sketch(norm, float(np.sum(numbers)), tuple(projection.tolist()), numbers.size, not_finite)


def _projected(numbers: _Numbers, chunk: int) -> _Numbers:
    buckets, signs = _pattern()
    sums = np.bincount(buckets[: numbers.size], signs[: numbers.size] * numbers, minlength=BUCKETS)
    (mixed,) = _mixed(np.array([_CHUNK + chunk], dtype=np.uint64)).tolist()
    shifted: _Numbers = np.roll(sums, mixed >> 60)
    return -shifted if mixed >> 59 & 1 else shifted


@functools.cache
def _pattern() -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], _Numbers]:
    """Choose for each number of a chunk the sum that it goes to, and its sign."""
    mixed = _mixed(np.arange(_CHUNK, dtype=np.uint64))
    signs = 1.0 - 2.0 * ((mixed >> np.uint64(59)) & np.uint64(1)).astype(np.float64)
    return (mixed >> np.uint64(60)).astype(np.int64), signs


def _mixed(
    counter: _Counters,
) -> _Counters:
    """Turn counters into pseudo-random 64-bit numbers (the finalizer of SplitMix64; Steele et al., 2014)."""
    state = (counter + np.uint64(1)) * np.uint64(_GOLDEN)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: _Counters = state ^ (state >> np.uint64(31))
    return mixed
