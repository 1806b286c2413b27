"""Find how a library's call is given a seed, from its real signature while the call is running."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from types import FrameType

PARAMETERS = ("random_state", "seed", "rng", "random_seed", "generator", "np_random", "prng", "rand_state")
"""Names that libraries give to the parameter that takes a seed or a generator, the usual ones first."""

_MAKERS = frozenset({"builtins", "numpy", "torch", "random"})
"""Packages whose objects are generators themselves, or draw from them by design."""

METHODS = ("set_random_state", "seed", "set_seed", "manual_seed")
"""Methods by which objects of libraries are seeded after they were made."""


def seed_advice(frames: Iterable[FrameType]) -> str:
    """Say how the call that these frames carry out can be given a seed; empty where nothing shows it.

    `frames` are those of the library, from the draw up to the line of the user that called it. The outermost
    function that takes a seed is the one that the user can reach.
    """
    found = inner = stage = ""
    for frame in frames:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _MAKERS:
            continue
        found = _by_parameter(frame) or _by_object(frame) or found
        inner = inner or _by_private_parameter(frame)
        stage = stage or _by_stage(frame)
    return " or ".join(dict.fromkeys(filter(None, (stage, found)))) or inner


def _by_parameter(frame: FrameType) -> str:
    code = frame.f_code
    name = _parameter(frame)
    if not name:
        return ""
    if code.co_name == "__init__":
        return f"pass {name}=SEED to {type(frame.f_locals[code.co_varnames[0]]).__name__}(...)"
    return "" if code.co_name.startswith("_") else f"pass {name}=SEED to {code.co_name}(...)"


def _by_private_parameter(frame: FrameType) -> str:
    """Many a private function is what a public one of the same name hands its arguments on to."""
    name = _parameter(frame)
    return f"pass {name}=SEED to {frame.f_code.co_name.lstrip('_')}(...)" if name else ""


def _by_stage(frame: FrameType) -> str:
    """Look for a generator function that was made without a seed: who iterates over it gives it none."""
    name = _parameter(frame) if frame.f_code.co_flags & inspect.CO_GENERATOR else ""
    return _by_private_parameter(frame) if name and frame.f_locals.get(name) is None else ""


def _parameter(frame: FrameType) -> str:
    code = frame.f_code
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return next((one for one in PARAMETERS if one in arguments), "")


def _by_object(frame: FrameType) -> str:
    """Look at the object whose method draws: it was made without a seed."""
    code = frame.f_code
    if not code.co_argcount or code.co_varnames[0] != "self":
        return ""
    owner = type(frame.f_locals.get("self"))
    if owner.__module__.partition(".")[0] in _MAKERS:
        return ""
    name = next((one for one in PARAMETERS if one in _parameters(owner)), None)
    method = next((one for one in METHODS if callable(getattr(owner, one, None))), None)
    call = "" if method is None else f"call .{method}(SEED) on the {owner.__name__} before it is used"
    if name is None:
        return call
    # Many an object is made by the library itself, and the program cannot pass anything there.
    return f"pass {name}=SEED to {owner.__name__}(...)" + (f", or {call}" if call else "")


def _parameters(owner: type) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(owner).parameters)
    except (TypeError, ValueError):
        return frozenset()
