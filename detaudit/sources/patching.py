"""Put something else in the place of a function, a method of a C type, or a type's iteration.

Types written in C refuse new attributes; their dictionaries do not. CPython looks methods up there, and is
told of the change by PyType_Modified, so every instance is concerned, those that exist already too, and
`isinstance`, `pickle` and the type's name stay as they are.
"""

from __future__ import annotations

import ctypes
import functools
import gc
from collections.abc import Callable
from types import FunctionType
from typing import Any

_ITER_SLOT = 24 + 8 + 16 + 8 + 40 + 24 + 48 + 48
"""Bytes from the start of a type object to `tp_iter` (64 bit; Include/cpython/object.h)."""

_IterFunction = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)


class Stand:
    """A callable in the place of a builtin: like it, it does not turn into a method inside a class."""

    def __init__(self, original: Any, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, original, updated=())
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call what stands in."""
        return self._function(*args, **kwargs)

    def __reduce__(self) -> str:
        """Pickle by name, as a builtin does."""
        return str(getattr(self, "__qualname__", self.__class__.__name__))


def replace_function(owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> None:
    """Replace `owner.name` by what `make` makes of it; nothing happens where there is no such name."""
    original = getattr(owner, name, None)
    if original is None:
        return
    function = make(original)
    if isinstance(original, FunctionType):
        setattr(owner, name, functools.wraps(original)(function))
    else:
        setattr(owner, name, Stand(original, function))


def replace_method(owner: type, name: str, make: Callable[[Any], Callable[..., Any]]) -> None:
    """Replace a method in a type's dictionary, also in that of a type written in C."""
    entries = gc.get_referents(owner.__dict__)[0]
    original = entries.get(name)
    if original is None:
        return
    if isinstance(original, classmethod) or type(original).__name__ == "classmethod_descriptor":
        bound = getattr(owner, name)
        function = make(bound)
        entries[name] = staticmethod(functools.wraps(bound)(function))
    else:
        entries[name] = functools.wraps(original, updated=())(make(original))
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def replace_class_method(owner: type, name: str, make: Callable[[Any], Callable[..., Any]]) -> None:
    """Replace a class method; which subclass it is called by is the first argument."""
    entries = gc.get_referents(owner.__dict__)[0]
    original = entries[name]

    def call(kind: type, *args: Any, **kwargs: Any) -> Any:
        return original.__get__(None, kind)(*args, **kwargs)

    entries[name] = classmethod(functools.wraps(getattr(owner, name), updated=())(make(call)))
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def replace_iteration(owner: type, make: Callable[[Callable[[Any], Any]], Callable[[Any], Any]]) -> None:
    """Replace what `iter(x)` and every loop over an instance of a type written in C calls."""
    slot = ctypes.c_void_p.from_address(id(owner) + _ITER_SLOT)
    original = _IterFunction(slot.value or 0)
    hook = _IterFunction(make(original))
    # The hook must outlive every object of the type: as long as the process.
    _kept.append((original, hook))
    slot.value = ctypes.cast(hook, ctypes.c_void_p).value


_kept: list[Any] = []

STAND_CODE = Stand.__call__.__code__
"""The code that runs between a caller and the function that stands in for a builtin."""
