"""Seeds for a program and for its data loader's workers: what a report proposes where they are missing.

The recipe is that of the PyTorch documentation, page "Reproducibility": one call for the program, and one
function for the workers of a `DataLoader`. The second goes further than the page: it also re-seeds the
generators that a dataset brings along, of which each worker has the same copy.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import random
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

from detaudit.errors import UsageError

LARGEST_SEED = 2**32 - 1
"""numpy accepts no larger seed."""

DEEPEST = 6
"""The most attributes that are followed into a dataset: wrapped dataset, transform, list, transform, ..."""
LONGEST = 256
"""Longer lists and dictionaries hold samples, not transforms."""
MOST = 20_000
"""The most objects that are examined in all, so that a worker starts at once whatever its dataset holds."""

_Generator = (
    np.random.Generator | np.random.RandomState | np.random.BitGenerator | random.Random | torch.Generator
)


def seed_everything(seed: int) -> torch.Generator:
    """Seed python's, numpy's and torch's global generators; return one more for a `DataLoader`.

    To be called first thing in a program, before the data, the model and the loaders are made.

    Args:
        seed: a whole number from 0 to 2**32 - 1.

    Returns a new `torch.Generator` on the CPU, seeded with `seed`, for `DataLoader(generator=...)`: with one
    of its own, a loader's order does not depend on what else draws.

    Changes the state of `random`, `numpy.random` and torch's default generator on every device (CUDA, MPS and
    XPU as well; those of devices that are not in use yet are seeded when they start). Raises UsageError for
    any other seed.

    What it cannot reach: the order of sets of strings, which is decided before the program starts (set
    PYTHONHASHSEED outside); generators that a library or an object keeps for itself; and operators that are
    not deterministic, for which there is `detaudit.deterministic`.

    Source: PyTorch documentation, "Reproducibility".
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= LARGEST_SEED:
        hint = f"give a whole number from 0 to {LARGEST_SEED}"
        raise UsageError("seed-invalid", f"{seed!r} is not possible as a seed", hint)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global generator is what user code draws from
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def seed_worker(worker_id: int) -> None:  # noqa: ARG001 - the signature that torch calls
    """Seed one worker of a `DataLoader`: pass it as `worker_init_fn=detaudit.seed_worker`.

    Everything is seeded from `torch.initial_seed()`, which torch has set to another number in each worker and
    each epoch, and which repeats from run to run if the program is seeded or the loader has a seeded
    `generator=`.

    Changes, in the worker process, `random` and `numpy.random`, and in place the state of every
    `numpy.random.Generator`, `RandomState`, bit generator, `random.Random` and CPU `torch.Generator` that the
    worker's dataset holds: as an attribute, in a wrapped dataset or a transform, in a short list of them, or
    as a global of the module that defines one of these. Without that, each worker draws the same numbers from
    its copy of such a generator. Each is seeded from the worker's seed and the path that leads to it.

    With `persistent_workers=True` workers start, and are seeded, once for all epochs. Called outside of a
    worker, it seeds `random` and `numpy.random` only.

    Source: PyTorch documentation, "Reproducibility", section "DataLoader".
    """
    seed = torch.initial_seed()
    np.random.seed(seed % (LARGEST_SEED + 1))  # noqa: NPY002 - the global generator is what user code draws from
    random.seed(seed)
    worker = get_worker_info()
    if worker is not None:
        for path, generator in _generators(worker.dataset):
            _reseed(generator, f"{seed}:{path}")


def _generators(dataset: object) -> Iterator[tuple[str, _Generator]]:
    """Find the generators that a dataset holds, each once, with the shortest path to it."""
    seen = {id(generator) for generator in _global_generators()}
    visited: set[str] = set()
    waiting: deque[tuple[str, object, int]] = deque([("dataset", dataset, 0)])
    while waiting and len(seen) < MOST:
        path, value, depth = waiting.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, _Generator):
            yield path, value
        elif depth < DEEPEST:
            waiting.extend((f"{path}.{name}", part, depth + 1) for name, part in _parts(value))
            for home, names in _homes(value):
                if home not in visited:
                    visited.add(home)
                    waiting.extend((name, generator, depth + 1) for name, generator in _named(home, names))


def _global_generators() -> tuple[object, ...]:
    """List the objects that are global generators, not the attributes that lead to them."""
    owners = [getattr(function, "__self__", None) for function in (random.seed, np.random.seed)]
    return (*owners, torch.default_generator)


def _parts(value: object) -> Iterable[tuple[object, object]]:
    """List the parts of an object that may hold a generator. Runs no property or `__getattr__` of its own."""
    if isinstance(value, list | tuple):
        return enumerate(value) if len(value) <= LONGEST else ()
    if isinstance(value, dict):
        # By position: the text of a key may have an address in it.
        return enumerate(value.values()) if len(value) <= LONGEST else ()
    if isinstance(value, functools.partial):
        return enumerate((value.func, value.args, value.keywords))
    if isinstance(value, MethodType | BuiltinMethodType):
        return [("__self__", value.__self__)]
    if isinstance(value, FunctionType):
        return enumerate(inspect.getclosurevars(value).nonlocals.values())
    return list(vars(value).items()) if _has_attributes(value) else ()


def _has_attributes(value: object) -> bool:
    # Not `hasattr`, which may run a `__getattr__` of the user's.
    return type(value).__dictoffset__ != 0 and not isinstance(value, type | ModuleType | torch.Tensor)


def _homes(value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    """List the places where an object's code has names: classes, and modules that define them, with names."""
    if isinstance(value, FunctionType):
        yield value.__module__, value.__globals__
    elif _has_attributes(value):
        for kind in type(value).__mro__:
            yield f"{kind.__module__}:{kind.__qualname__}", vars(kind)
            yield (
                kind.__module__,
                vars(sys.modules[kind.__module__]) if kind.__module__ in sys.modules else {},
            )


def _named(owner: str, names: Mapping[str, object]) -> list[tuple[str, _Generator]]:
    # A spawned worker knows the main module by another name, and is to draw the same as a forked one.
    owner = owner.replace("__mp_main__", "__main__")
    return [(f"{owner}:{name}", value) for name, value in names.items() if isinstance(value, _Generator)]


def _reseed(generator: _Generator, text: str) -> None:
    """Put a generator into a state that follows from a text. It stays the same object, of the same kind."""
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
    if isinstance(generator, np.random.RandomState):
        # Not `.state` of its bit generator: the spare normal number that it keeps has to go as well.
        generator.set_state(_state(generator._bit_generator, number))  # noqa: SLF001 - it has no public name
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = _state(generator.bit_generator, number)
    elif isinstance(generator, np.random.BitGenerator):
        generator.state = _state(generator, number)
    elif isinstance(generator, random.Random):
        generator.seed(number)
    elif generator.device.type == "cpu":
        # Others belong to devices, which a forked worker must not touch.
        generator.manual_seed(number % 2**63)


def _state(bits: np.random.BitGenerator, number: int) -> dict[str, Any]:
    return dict(type(bits)(number).state)
