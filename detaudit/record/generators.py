"""Read the states of the random generators from memory, without drawing from the generators.

`random.getstate()` and `numpy.random.get_state()` take 25 and 110 microseconds; reading the same words
where they lie takes a fraction of one. Each reader is held against the official state once, before it
is used; where it does not agree (another Python or numpy), the official state is digested instead.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import sys
from collections.abc import Callable
from typing import Any

import torch
from xxhash import xxh3_64_hexdigest

from detaudit.torch_private.modes import Unseen

_MERSENNE_TWISTER_BYTES = 2500
"""624 words and the position among them."""


class Generators:
    """Reads the default generators of python, numpy and torch."""

    def __init__(self) -> None:
        self._python = _python_reader()
        self._numpy: Callable[[], str] | None = None

    def states(self) -> str:
        """Return `name=hexdigest` of each generator, comma-separated, as the trace file has it."""
        parts = []
        if self._python is not None:
            parts.append(f"python={self._python()}")
        if self._numpy is None and "numpy.random" in sys.modules:
            self._numpy = _numpy_reader()
        if self._numpy is not None:
            parts.append(f"numpy={self._numpy()}")
        parts.append(f"torch={torch_state(torch.default_generator)}")
        if torch.cuda.is_initialized():
            for index, generator in enumerate(torch.cuda.default_generators):
                parts.append(f"cuda:{index}={torch_state(generator)}")
        return ",".join(parts)


def torch_state(generator: torch.Generator) -> str:
    """Digest the state of one of torch's generators."""
    # Under a dispatch mode or a fake mode, get_state is an operator like any other.
    with Unseen():
        state = generator.get_state()
    return xxh3_64_hexdigest((ctypes.c_char * state.nbytes).from_address(state.data_ptr()))


def _python_reader() -> Callable[[], str] | None:
    random = sys.modules.get("random")
    instance = getattr(random, "_inst", None)
    if instance is None:
        return None
    # CPython keeps the words behind the object's head (Modules/_randommodule.c).
    address = id(instance) + object.__basicsize__
    *words, index = instance.getstate()[1]
    raw = ctypes.string_at(address, _MERSENNE_TWISTER_BYTES)
    if raw in {struct.pack("=i624I", index, *words), struct.pack("=624Ii", *words, index)}:
        return functools.partial(_python_state, _view(address), instance)
    return lambda: xxh3_64_hexdigest(repr(instance.getstate()).encode())


def _python_state(words: ctypes.Array[ctypes.c_char], instance: Any) -> str:
    # A second normal number waits outside of the words.
    return xxh3_64_hexdigest(bytes(words) + repr(instance.gauss_next).encode())


def _numpy_reader() -> Callable[[], str] | None:
    instance = getattr(sys.modules["numpy.random"].mtrand, "_rand", None)
    if instance is None:
        return None
    bit_generator = instance._bit_generator
    if type(bit_generator).__name__ == "MT19937":
        address = bit_generator.ctypes.state_address
        state = bit_generator.state["state"]
        packed = struct.pack("=624Ii", *map(int, state["key"]), int(state["pos"]))
        if ctypes.string_at(address, _MERSENNE_TWISTER_BYTES) == packed:
            return functools.partial(_numpy_state, _view(address), instance, bit_generator)
    return functools.partial(_slow_numpy_state, instance)


def _numpy_state(words: ctypes.Array[ctypes.c_char], instance: Any, bit_generator: object) -> str:
    # `set_bit_generator` puts another one in its place; holding this one keeps its memory valid.
    if instance._bit_generator is not bit_generator:
        return _slow_numpy_state(instance)
    return xxh3_64_hexdigest(words)


def _slow_numpy_state(instance: Any) -> str:
    return xxh3_64_hexdigest(repr(instance.get_state(legacy=False)).encode())


def _view(address: int) -> ctypes.Array[ctypes.c_char]:
    return (ctypes.c_char * _MERSENNE_TWISTER_BYTES).from_address(address)
