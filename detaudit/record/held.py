"""Find the random generators that a data set keeps: in its attributes, its class and its module."""

from __future__ import annotations

import random
import re
import struct
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch.utils.data import IterDataPipe, MapDataPipe
from xxhash import xxh3_64_hexdigest

from detaudit.record.generators import Generators, torch_state

_DEPTH = 3
"""The most objects between the data set and a generator; lists and other containers do not count."""

_MOST = 16
"""The most generators below a data set that are read, since they are read for each batch."""

_ITEMS = 32
"""The most entries of one container that are searched."""

_VISITS = 200
"""The most objects that are searched in all."""

_FOREIGN = frozenset({*sys.stdlib_module_names, "torch", "numpy", "detaudit"})
"""Packages whose modules hold no generator of the program's own."""

_LEAVES = (str, bytes, int, float, complex, type(None), torch.Tensor, type, ModuleType)

_ODD = re.compile(r"[^\w.\[\]]")
"""Characters that a name in the trace cannot have."""

_Reader = Callable[[Any], object]


class HeldGenerators:
    """Finds the generators below a data set and reads their states, without drawing."""

    def __init__(self, dataset: object) -> None:
        # Data pipes give all workers one seed on purpose and sort out later who takes what.
        is_pipe = issubclass(type(dataset), IterDataPipe | MapDataPipe)
        self._dataset = None if is_pipe else dataset
        self._readers: dict[type, _Reader | None] = {}
        self._imports: dict[str, tuple[str, ...]] = {}

    def states(self) -> list[str]:
        """Return `name=hexdigest` of each generator; the names are the same in every worker."""
        walk = _DatasetWalk(self._reader)
        walk.visit(self._dataset, "dataset", _DEPTH)
        for name in dict.fromkeys(found for module in walk.modules for found in self._with_imports(module)):
            walk.visit_module(name)
        states = ((name, self._state(generator)) for name, generator in walk.found.items())
        return [f"{_ODD.sub('_', name)}={state}" for name, state in states if state is not None]

    def _state(self, generator: object) -> str | None:
        read = self._reader(type(generator))
        try:
            state = None if read is None else read(generator)
        except (AttributeError, NotImplementedError, TypeError, ValueError):
            # One of the program's own making, whose state is not to be had.
            return None
        return state if isinstance(state, str) else None

    def _with_imports(self, name: str) -> tuple[str, ...]:
        """Name a module, and the program's own modules whose objects it uses."""
        if name not in self._imports:
            items = list(_globals(name).values())
            found = (item.__name__ if type(item) is ModuleType else _module_of(item) for item in items)
            self._imports[name] = (name, *(one for one in dict.fromkeys(found) if _is_own(one)))
        return self._imports[name]

    def _reader(self, kind: type) -> _Reader | None:
        try:
            return self._readers[kind]
        except KeyError:
            reader = self._readers[kind] = _reader_for(kind)
            return reader


class WorkerGenerators(Generators):
    """The default generators of a loader worker and those of its data set."""

    def __init__(self, dataset: object) -> None:
        super().__init__()
        self._held = HeldGenerators(dataset)

    def states(self) -> str:
        """Return `name=hexdigest` of each generator, comma-separated, as the trace file has it."""
        return ",".join([super().states(), *self._held.states()])


class _DatasetWalk:
    """One look at all that lies below a data set."""

    def __init__(self, reader: Callable[[type], _Reader | None]) -> None:
        self.found: dict[str, object] = {}
        self._reader = reader
        self._seen = _default_generators()
        self.modules: dict[str, None] = {}
        """The modules in which the classes and functions that were found are defined."""
        self._visits = 0

    def visit(self, value: object, name: str, depth: int) -> None:
        """Note `value` if it is a generator, or else those below it."""
        kind = type(value)
        if kind in _LEAVES or id(value) in self._seen:
            return
        if self._visits >= _VISITS or len(self.found) >= _MOST:
            return
        self._visits += 1
        self._seen.add(id(value))
        if self._reader(kind) is not None:
            self.found[name] = value
        elif issubclass(kind, FunctionType | MethodType):
            self.modules[_module_of(value)] = None
            if issubclass(kind, MethodType):
                self.visit(value.__self__, name, depth)  # type: ignore[attr-defined]  # it has
        elif depth and not issubclass(kind, _LEAVES):
            below = depth if issubclass(kind, dict | list | tuple) else depth - 1
            for key, item in self._entries(value, kind):
                self.visit(item, f"{name}{key}", below)

    def visit_module(self, name: str) -> None:
        """Note generators that are global in a module."""
        # A spawned worker has the program's main module under another name.
        label = "__main__" if name == "__mp_main__" else name
        for key, item in list(_globals(name).items()):
            if self._reader(type(item)) is not None and id(item) not in self._seen:
                self._seen.add(id(item))
                self.found[f"{label}.{key}"] = item

    def _entries(self, value: Any, kind: type) -> Iterator[tuple[str, object]]:
        if issubclass(kind, dict):
            for position, (key, item) in enumerate(list(islice(dict.items(value), _ITEMS))):
                plain = type(key) is str and key.isidentifier()
                yield f"[{key if plain else position}]", item
        elif issubclass(kind, list | tuple):
            # Not its own iteration, which may be the user's code.
            items = list.__iter__(value) if issubclass(kind, list) else tuple.__iter__(value)
            for position, item in enumerate(list(islice(items, _ITEMS))):
                yield f"[{position}]", item
        else:
            self.modules[str(kind.__module__)] = None
            yield from self._attributes(value, kind)

    def _attributes(self, value: object, kind: type) -> Iterator[tuple[str, object]]:
        try:
            # Not `vars`: this class may have an attribute access of its own.
            given = object.__getattribute__(value, "__dict__")
        except AttributeError:
            given = {}
        for key, item in list(islice(given.items(), _ITEMS)):
            yield f".{key}", item
        for base in kind.__mro__:
            module = str(base.__module__)
            if module.partition(".")[0] not in _FOREIGN:
                self.modules[module] = None
                for key, item in list(vars(base).items()):
                    if self._reader(type(item)) is not None:
                        yield f".{key}", item


def _module_of(item: object) -> str:
    """Name the module of a class or function; empty for anything else."""
    return str(item.__module__) if type(item) in {type, FunctionType, MethodType} else ""


def _globals(name: str) -> dict[str, object]:
    """Return the global variables of a module that may hold generators; {} if it is foreign or not loaded."""
    module = sys.modules.get(name)
    # Not every entry there is a module: some are stand-ins that import on first use.
    is_plain = isinstance(module, ModuleType) and name.partition(".")[0] not in _FOREIGN
    return vars(module) if is_plain else {}


def _is_own(name: str) -> bool:
    """Say whether a module is the program's own, not an installed one."""
    file = str(_globals(name).get("__file__"))
    return bool(_globals(name)) and "site-packages" not in file and "dist-packages" not in file


def _default_generators() -> set[int]:
    """Return the `id` of each default generator: these have names of their own in the trace."""
    found: set[int] = {id(torch.default_generator), id(getattr(random, "_inst", None))}
    legacy = getattr(getattr(sys.modules.get("numpy.random"), "mtrand", None), "_rand", None)
    if legacy is not None:
        found |= {id(legacy), id(legacy._bit_generator)}
    return found


def _reader_for(kind: type) -> _Reader | None:
    if issubclass(kind, torch.Generator):
        return torch_state
    if issubclass(kind, random.Random):
        return None if issubclass(kind, random.SystemRandom) else _python_state
    numpy = sys.modules.get("numpy.random")
    return None if numpy is None else _numpy_reader_for(kind, numpy)


def _numpy_reader_for(kind: type, numpy: ModuleType) -> _Reader | None:
    if issubclass(kind, numpy.Generator):
        return lambda generator: _numpy_state(generator.bit_generator.state)
    if issubclass(kind, numpy.RandomState):
        return lambda generator: _numpy_state(generator.get_state(legacy=False))
    if issubclass(kind, numpy.BitGenerator):
        return lambda generator: _numpy_state(generator.state)
    return None


def _python_state(generator: random.Random) -> str:
    _, words, waiting = random.Random.getstate(generator)
    return xxh3_64_hexdigest(struct.pack(f"={len(words)}I", *words) + repr(waiting).encode())


def _numpy_state(state: object) -> str:
    return xxh3_64_hexdigest(b"".join(_packed(state)))


def _packed(state: Any) -> Iterator[bytes]:
    if isinstance(state, dict):
        for key in sorted(state):
            yield str(key).encode()
            yield from _packed(state[key])
    else:
        # Not the text of an array, which leaves out the middle of a long one.
        yield state.tobytes() if hasattr(state, "tobytes") else repr(state).encode()
