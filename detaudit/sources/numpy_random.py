"""numpy's global generator, and `RandomState()`, `default_rng()` and the like without a seed."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact, Whose
from detaudit.sources.seeds import GeneratorFamily, global_draw
from detaudit.sources.side_draws import isolates
from detaudit.sources.source import Source
from detaudit.sources.taps import Taps

NAME = "numpy-random"
NOT_DRAWING = frozenset({"seed", "get_state", "set_state", "spawn", "bit_generator"})
_OWN_DRAW = Fact(Act.DRAWS, Whose.OWN)


def _tap(taps: Taps) -> None:
    taps.when_imported("numpy.random", lambda module: _NumpyWatch(taps, module).begin())


class _NumpyWatch:
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
            taps.at_each_beginning(lambda: self._global.seed(taps.fixed_number()))
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

    def _drawing(self, kind: str, name: str) -> Any:
        def draw(original: Any, generator: Any, *args: Any, **kwargs: Any) -> Any:
            isolated = generator is self._global and isolates(self._taps)
            state = self._global.get_state() if isolated else None
            value = original(generator, *args, **kwargs)
            if state is not None:
                self._global.set_state(state)
            result = value if value is not None or not args else args[0]
            if generator is self._global:
                fact, operation = global_draw(self._taps, seeded=self._seeded), f"numpy.random.{name}"
            else:
                fact, operation = _OWN_DRAW, f"numpy.random.{kind}.{name}"
            self._taps.note(NAME, operation, result, fact, amount=_size(result))
            return value

        return draw

    def _by_system(self) -> Fact:
        return Fact(Act.SEEDS_BY_SYSTEM, Whose.OWN, self._taps.seed_advice())

    def _ask_system(self, original: Any, bits: int) -> int:
        taps = self._taps
        site = taps.note(NAME, "numpy.random.SeedSequence", None, self._by_system())
        return taps.fixed_number(bits) if taps.holds(NAME, site) else int(original(bits))

    def _legacy_seed(self, original: Any, generator: Any, seed: Any) -> None:
        whose = Whose.OWN
        if generator is self._global._bit_generator:
            whose, self._seeded = Whose.GLOBAL, self._seeded or seed is not None
        if whose is Whose.OWN:
            # RandomState(seed) first makes a generator from the system's seed, then seeds it.
            self._taps.retract(NAME, "numpy.random.SeedSequence", self._by_system())
        if seed is not None:
            self._taps.note(NAME, "numpy.random.seed", seed, Fact(Act.SEEDS, whose))
        else:
            seed = self._seed_from_system(whose)
        original(generator, seed)

    def _seed_from_system(self, whose: Whose) -> int | None:
        taps = self._taps
        operation = "numpy.random.RandomState" if whose is Whose.OWN else "numpy.random.seed"
        fact = Fact(Act.SEEDS_BY_SYSTEM, whose, taps.seed_advice())
        site = taps.note(NAME, operation, None, fact)
        return taps.fixed_number() if taps.holds(NAME, site) else None

    def _default_rng(self, original: Any, seed: Any = None) -> Any:
        taps = self._taps
        if seed is not None:
            if isinstance(seed, int):
                taps.note(NAME, "numpy.random.default_rng", seed, Fact(Act.SEEDS, Whose.OWN))
            return original(seed)
        site = taps.note(NAME, "numpy.random.default_rng", None, self._by_system())
        return original(taps.fixed_number(128) if taps.holds(NAME, site) else None)

    def _set_state(self, original: Any, generator: Any, *args: Any, **kwargs: Any) -> None:
        if generator is self._global:
            self._seeded = True
        original(generator, *args, **kwargs)


def _size(value: Any) -> int:
    return int(getattr(value, "size", 1) or 0)


_FAMILY = GeneratorFamily(
    NAME,
    Cause.UNSEEDED_NUMPY,
    "numpy's",
    ("np.random.seed", "numpy.random.seed"),
    {
        "numpy.random.default_rng": "give it a seed: np.random.default_rng(SEED)",
        "numpy.random.SeedSequence": "give it a seed: SeedSequence(SEED), RandomState(SEED), PCG64(SEED)",
        "numpy.random.RandomState": "give it a seed: np.random.RandomState(SEED)",
        "numpy.random.seed": "give it a seed: np.random.seed(SEED)",
    },
)

SOURCE = Source(
    name=NAME,
    words="numpy's random generators",
    causes=(Cause.UNSEEDED_NUMPY, Cause.SEED_ORDER, Cause.UNSEEDED_LIBRARY, Cause.WORKER_SEEDING),
    tap=_tap,
    suspicion=_FAMILY.suspicion,
    name_fault=_FAMILY.name,
)
