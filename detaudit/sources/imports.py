"""Do something right after a module is imported for the first time, without importing it.

Who only asks for a module (`importlib.util.find_spec`) gets its spec and imports nothing, and may throw the
spec away. So the watch goes on until the module's code has run to its end, whoever runs it, and however often
it was asked for or failed before. Specs and loaders stay the usual ones, for those who look at them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

Callback = Callable[[ModuleType], None]


class ImportWatch:
    """Sees the first import of some modules, lets the usual finders do it, and calls back afterwards."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callback]] = {}
        self._asking = threading.local()

    def when_imported(self, name: str, callback: Callback) -> None:
        """Call back with the module once it is imported; at once if it is there already."""
        module = sys.modules.get(name)
        if module is not None and not _is_lazy(module):
            callback(module)
            return
        self._callbacks.setdefault(name, []).append(callback)
        if module is not None:
            # It was asked for before there was this watch, and loads itself when it is first used.
            self._attend(object.__getattribute__(module, "__spec__"))
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a watched module as if this finder were not there; learn of it when it is executed."""
        if fullname not in self._callbacks:
            return None
        asked: set[str] = self._asking.__dict__.setdefault("names", set())
        if fullname in asked:
            # Another finder asks all finders in its turn: it is answered by those behind this one.
            return None
        asked.add(fullname)
        try:
            return self._found(fullname, path, target)
        finally:
            asked.discard(fullname)

    def invalidate_caches(self) -> None:
        """Forget nothing: nothing is kept."""

    def executed(self, name: str) -> None:
        """Call back, once, now that a module's code has run. A copy that nobody else can import is not it."""
        module = sys.modules.get(name)
        if module is None:
            return
        if _is_lazy(module):
            self._attend(object.__getattribute__(module, "__spec__"))
            return
        callbacks = self._callbacks.pop(name, [])
        if not self._callbacks and self in sys.meta_path:
            sys.meta_path.remove(self)
        for callback in callbacks:
            callback(module)

    def _found(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in self._behind():
            find: Callable[..., ModuleSpec | None] | None = getattr(finder, "find_spec", None)
            spec = None if find is None else find(name, path, target)
            if spec is not None:
                self._attend(spec)
                return spec
        return None

    def _behind(self) -> Iterator[object]:
        """Give the finders that would be asked next."""
        finders: list[object] = list(sys.meta_path)
        yield from finders[finders.index(self) + 1 :] if self in finders else finders

    def _attend(self, spec: ModuleSpec) -> None:
        """See to it that the watch learns when the spec's loader has executed the module."""
        loader: Any = spec.loader
        method = "exec_module" if hasattr(loader, "exec_module") else "load_module"
        execute = getattr(loader, method, None)
        if execute is None:
            # A namespace package has no code to run.
            return
        if isinstance(execute, _Execution):
            execute.tell(self)
            return
        execution = _Execution(spec.name, loader, method)
        execution.tell(self)
        if isinstance(loader, type) or not hasattr(loader, "__dict__"):
            spec.loader = _StandIn(loader, method, execution)  # type: ignore[assignment]  # a loader by what it does
        else:
            vars(loader)[method] = execution


class _Execution:
    """Runs a module's code in the place of its loader's own method, and tells watches once it has run."""

    def __init__(self, name: str, loader: Any, method: str) -> None:
        self._name = name
        self._loader = loader
        self._method = method
        self._execute: Callable[[Any], Any] = getattr(loader, method)
        self._watches: list[ImportWatch] = []

    def __eq__(self, other: object) -> bool:
        """Specs of one module are equal, as they would be otherwise."""
        return isinstance(other, _Execution) and self._name == other._name

    def __hash__(self) -> int:
        """As equality."""
        return hash(self._name)

    def __call__(self, module: Any) -> Any:
        """Run the code; what it raises goes through, and then the next attempt is what is waited for."""
        spec = getattr(module, "__spec__", None)
        if spec is not None and isinstance(spec.loader, _StandIn):
            spec.loader = module.__loader__ = self._loader
        # One loader may serve many modules. Asked later, a lazy one would load itself.
        is_it = self._name == (module if isinstance(module, str) else module.__name__)
        given = self._execute(module)
        if is_it:
            self._leave()
            for watch in self._watches:
                watch.executed(self._name)
        return given

    def tell(self, watch: ImportWatch) -> None:
        """Have one more watch told."""
        if watch not in self._watches:
            self._watches.append(watch)

    def _leave(self) -> None:
        entries = getattr(self._loader, "__dict__", {})
        if entries.get(self._method) is self:
            del entries[self._method]


class _StandIn:
    """In the place of a loader that takes no method for one module alone: it hands on all else."""

    def __init__(self, loader: Any, method: str, execution: _Execution) -> None:
        self._loader = loader
        setattr(self, method, execution)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _is_lazy(module: ModuleType) -> bool:
    """Say whether a module is loaded in name only: `importlib.util.LazyLoader` runs its code when used."""
    lazy = getattr(sys.modules.get("importlib.util"), "_LazyModule", None)
    # Not `isinstance`: to ask the module for its class is to use it.
    return lazy is not None and type(module) is lazy
