"""torch's default generators, and `torch.Generator`s seeded by the system.

Draws themselves are seen where all operators are: in `detaudit.record.operators`.
"""

from __future__ import annotations

from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact, Whose
from detaudit.sources.seeds import GeneratorFamily, asked_through
from detaudit.sources.source import Source
from detaudit.sources.taps import Taps
from detaudit.torch_private.by_name import SEEDED_THROUGH, generator_identity

NAME = "torch-random"
SEEDING = frozenset({"torch.random", "torch.cuda.random", *SEEDED_THROUGH})
"""Modules between torch.manual_seed and the generator; samplers and other parts of torch are not among
them."""


def _tap(taps: Taps) -> None:
    taps.when_imported("torch", lambda module: _TorchWatch(taps, module).begin())


class _TorchWatch:
    """Watches torch's generators."""

    def __init__(self, taps: Taps, torch: Any) -> None:
        self._taps = taps
        self._torch = torch

    def begin(self) -> None:
        """Put the taps in place."""
        taps, torch = self._taps, self._torch
        if taps.holds(NAME):
            taps.at_each_beginning(self._fix_global)
        taps.method(torch.Generator, "seed", self._seed)
        taps.method(torch.Generator, "manual_seed", self._manual_seed)
        taps.method(torch.Generator, "set_state", self._set_state)

    def _fix_global(self) -> None:
        torch, taps = self._torch, self._taps
        torch.default_generator.manual_seed(taps.fixed_number())
        # Kept by torch until CUDA is started, if it ever is.
        torch.cuda.manual_seed_all(taps.fixed_number())

    def _seed(self, original: Any, generator: Any) -> int:
        taps = self._taps
        site = taps.note(NAME, "torch.seed", None, Fact(Act.SEEDS_BY_SYSTEM, self._whose(generator)))
        if not taps.holds(NAME, site):
            return int(original(generator))
        number = taps.fixed_number()
        generator.manual_seed(number)
        return number

    def _manual_seed(self, original: Any, generator: Any, seed: Any) -> Any:
        if asked_through(SEEDING, self._taps):
            self._taps.note(NAME, "torch.manual_seed", seed, Fact(Act.SEEDS, self._whose(generator)))
        self._mark(generator)
        return original(generator, seed)

    def _set_state(self, original: Any, generator: Any, state: Any) -> Any:
        self._mark(generator)
        return original(generator, state)

    def _mark(self, generator: Any) -> None:
        if self._whose(generator) is Whose.GLOBAL:
            self._taps.torch_seeded = True

    def _whose(self, generator: Any) -> Whose:
        is_global = generator_identity(generator) == generator_identity(self._torch.default_generator)
        return Whose.GLOBAL if is_global else Whose.OWN


_FAMILY = GeneratorFamily(
    NAME,
    Cause.UNSEEDED_TORCH,
    "torch's",
    ("torch.manual_seed", "torch.random.manual_seed"),
    {"torch.seed": "use torch.manual_seed(SEED) (or generator.manual_seed(SEED)) in place of seed()"},
    hides_behind_libraries=False,
)

SOURCE = Source(
    name=NAME,
    words="torch's random generators",
    causes=(Cause.UNSEEDED_TORCH, Cause.SEED_ORDER),
    tap=_tap,
    suspicion=_FAMILY.suspicion,
    name_fault=_FAMILY.name,
)
