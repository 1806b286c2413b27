"""Python's `random`: the global generator, and `Random()` objects without a seed."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact, Whose
from detaudit.sources.seeds import GeneratorFamily, asked_through, global_draw
from detaudit.sources.side_draws import isolates
from detaudit.sources.source import Source
from detaudit.sources.taps import Asked, Taps

NAME = "python-random"
_NOT_DRAWING = frozenset({"seed", "setstate", "getstate"})
_WORDS = 3
"""The number of words of a generator's state that tell it from others."""


def _tap(taps: Taps) -> None:
    taps.when_imported("random", lambda module: _PythonWatch(taps, module).begin())


class _PythonWatch:
    """Watches the module, and knows whether its global generator has been seeded."""

    def __init__(self, taps: Taps, module: ModuleType) -> None:
        self._taps = taps
        self._module: Any = module
        self._global = module._inst
        self._seeded = False

    def begin(self) -> None:
        """Put the taps in place."""
        taps, module = self._taps, self._module
        if taps.holds(NAME):
            taps.at_each_beginning(lambda: self._global.seed(taps.fixed_number()))
        taps.method(module.Random, "seed", self._seed)
        taps.method(module.Random, "setstate", self._set_state)
        for name in module.__all__:
            function = getattr(module, name)
            if getattr(function, "__self__", None) is not self._global:
                continue
            if name not in _NOT_DRAWING:
                # On the class: libraries draw from the global generator itself, not through the module.
                owner = next(kind for kind in module.Random.__mro__ if name in vars(kind))
                # A generator of another class draws in a way of its own: from the system's entropy, say.
                taps.method(owner, name, self._drawing(name), asked_by=Asked.PROGRAM, calls_program=True)
            # Bound before the taps were there.
            setattr(module, name, getattr(self._global, name))

    def _drawing(self, name: str) -> Any:
        operation = f"random.{name}"

        def draw(original: Any, generator: Any, *args: Any, **kwargs: Any) -> Any:
            if generator is not self._global:
                return original(generator, *args, **kwargs)
            state = self._global.getstate() if isolates(self._taps) else None
            value = original(generator, *args, **kwargs)
            # A shuffle gives nothing: what it drew shows in the state.
            shown = self._global.getstate()[1][:_WORDS] if value is None else value
            if state is not None:
                self._global.setstate(state)
            self._taps.note(NAME, operation, shown, global_draw(self._taps, seeded=self._seeded))
            return value

        return draw

    def _seed(self, original: Any, generator: Any, a: Any = None, version: int = 2) -> None:
        whose = Whose.GLOBAL if generator is self._global else Whose.OWN
        taps = self._taps
        if a is None and asked_through({"random"}, taps):
            fact = Fact(Act.SEEDS_BY_SYSTEM, whose, taps.seed_advice())
            site = taps.note(NAME, "random.Random", None, fact)
            a = taps.fixed_number() if taps.holds(NAME, site) else None
        elif a is not None:
            taps.note(NAME, "random.seed", a, Fact(Act.SEEDS, whose, taps.seed_advice()))
            self._seeded = self._seeded or whose is Whose.GLOBAL
        original(generator, a, version)

    def _set_state(self, original: Any, generator: Any, state: Any) -> None:
        if generator is self._global:
            self._seeded = True
        original(generator, state)


_FAMILY = GeneratorFamily(
    NAME,
    Cause.UNSEEDED_PYTHON,
    "Python's",
    ("random.seed",),
    {"random.Random": "give it a seed: random.Random(SEED)"},
)

SOURCE = Source(
    name=NAME,
    words="Python's random generators",
    causes=(Cause.UNSEEDED_PYTHON, Cause.SEED_ORDER, Cause.UNSEEDED_LIBRARY, Cause.WORKER_SEEDING),
    tap=_tap,
    suspicion=_FAMILY.suspicion,
    name_fault=_FAMILY.name,
)
