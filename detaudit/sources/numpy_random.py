"""numpy's global generator, and `RandomState()`, `default_rng()` and the like without a seed."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from detaudit.sources.side_draws import isolates
from detaudit.sources.source import Source
from detaudit.sources.taps import Taps

NAME = "numpy-random"
NOT_DRAWING = frozenset({"seed", "get_state", "set_state", "spawn", "bit_generator"})
SEEDED_BY_SYSTEM = "seeded by the system"


def _tap(taps: Taps) -> None:
    taps.when_imported("numpy.random", lambda module: _Watch(taps, module).begin())


class _Watch:
    """Watches numpy.random, and knows whether its global generator has been seeded."""

    def __init__(self, taps: Taps, module: ModuleType) -> None:
        self._taps = taps
        self._module: Any = module
        self._global = module.mtrand._rand
        self._seeded = False

    def begin(self) -> None:
        """Put the taps in place."""
        taps, module = self._taps, self._module
        if taps.holds(NAME):
            self._global.seed(taps.fixed_number())
        # The one place at which numpy asks the system for a seed.
        taps.function(module.bit_generator, "randbits", self._ask_system)
        taps.method(module.mtrand._MT19937, "_legacy_seeding", self._legacy_seed)
        taps.function(module, "default_rng", self._default_rng)
        taps.method(module.RandomState, "set_state", self._set_state)
        for kind in (module.RandomState, module.Generator):
            for name in dir(kind):
                if not name.startswith("_") and name not in NOT_DRAWING and callable(getattr(kind, name)):
                    taps.method(kind, name, self._drawing(kind.__name__, name))
        self._bind_again()

    def _bind_again(self) -> None:
        """Bind the functions anew: they are methods of one object, bound before the taps were there."""
        for module in (self._module, self._module.mtrand):
            for name, function in list(vars(module).items()):
                if getattr(function, "__self__", None) is self._global:
                    setattr(module, name, getattr(self._global, name))

    def _drawing(self, kind: str, name: str) -> Any:  # noqa: ANN401 - a handler
        def draw(original: Any, generator: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
            isolated = generator is self._global and isolates(self._taps)
            state = self._global.get_state() if isolated else None
            value = original(generator, *args, **kwargs)
            if state is not None:
                self._global.set_state(state)
            result = value if value is not None or not args else args[0]
            if generator is self._global:
                subject, operation = self._subject(), f"numpy.random.{name}"
            else:
                subject, operation = "own", f"numpy.random.{kind}.{name}"
            self._taps.note(NAME, operation, result, subject=subject, amount=_size(result))
            return value

        return draw

    def _subject(self) -> str:
        return "global" if self._seeded else "global, not seeded"

    def _ask_system(self, original: Any, bits: int) -> int:  # noqa: ANN401 - as the function
        taps = self._taps
        site = taps.note(NAME, "numpy.random.SeedSequence", None, subject=SEEDED_BY_SYSTEM)
        return taps.fixed_number(bits) if taps.holds(NAME, site) else int(original(bits))

    def _legacy_seed(self, original: Any, generator: Any, seed: Any) -> None:  # noqa: ANN401 - as the method
        whose = "own"
        if generator is self._global._bit_generator:
            whose, self._seeded = "global", self._seeded or seed is not None
        if seed is not None:
            # RandomState(seed) first makes a generator from the system's seed, then seeds it.
            self._taps.retract(NAME, "numpy.random.SeedSequence", SEEDED_BY_SYSTEM)
            self._taps.note(NAME, "numpy.random.seed", seed, subject=f"{whose}, seed")
        original(generator, seed)

    def _default_rng(self, original: Any, seed: Any = None) -> Any:  # noqa: ANN401 - as the function
        taps = self._taps
        if seed is not None:
            if isinstance(seed, int):
                taps.note(NAME, "numpy.random.default_rng", seed, subject="own, seed")
            return original(seed)
        site = taps.note(NAME, "numpy.random.default_rng", None, subject=f"own, {SEEDED_BY_SYSTEM}")
        return original(taps.fixed_number(128) if taps.holds(NAME, site) else None)

    def _set_state(self, original: Any, generator: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the method
        if generator is self._global:
            self._seeded = True
        original(generator, *args, **kwargs)


def _size(value: Any) -> int:  # noqa: ANN401 - a number or an array
    return int(getattr(value, "size", 1) or 0)


SOURCE = Source(
    name=NAME,
    words="numpy's random generators",
    causes=("unseeded-numpy", "seed-order", "unseeded-library", "worker-seeding"),
    tap=_tap,
)
