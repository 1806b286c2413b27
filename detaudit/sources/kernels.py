"""Kernels that give other bits for the same inputs: torch's deterministic algorithms, or one thread."""

from __future__ import annotations

from typing import Any

from detaudit.axes import deterministic, threads
from detaudit.model.cause import Cause
from detaudit.model.result import Divergence, DivergenceKind
from detaudit.model.trace import Kind, Phase
from detaudit.sources.observation import Naming, Observation
from detaudit.sources.source import CERTAIN, Source, Suspicion
from detaudit.sources.taps import Taps

NAME = "kernels"
ONE_THREAD = "kernel-threads"


def _tap(taps: Taps) -> None:
    if taps.holds(NAME):
        taps.when_imported("torch", _deterministic)


def _deterministic(torch: Any) -> None:
    # The flag would fill fresh memory as well, which is another source, with a control of its own.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.backends.cudnn.benchmark = False


def _tap_threads(taps: Taps) -> None:
    if taps.holds(ONE_THREAD):
        taps.when_imported("torch", lambda torch: _one_thread(taps, torch))


def _one_thread(taps: Taps, torch: Any) -> None:
    torch.set_num_threads(1)
    taps.function(torch, "set_num_threads", lambda original, _number: original(1))


def _by_place(divergence: Divergence, less: float, in_layers: float) -> float:
    """Suspect kernels where an operator, or a layer, gives other bits for the same inputs."""
    place = divergence.event.place
    if divergence.kind is not DivergenceKind.VALUE or not divergence.origin:
        return 0
    if place.kind is Kind.OP:
        return CERTAIN - less
    computed = place.phase in {Phase.FORWARD, Phase.BACKWARD} and place.kind is not Kind.INPUT
    return in_layers if computed else 0


def _name(seen: Observation) -> Naming:
    finding = seen.finding
    symbol, receiver = finding.symbol, finding.origin.op is not None and finding.origin.receiver
    words = f"{symbol or 'an operator'} gives other bits for the same inputs"
    if receiver:
        # Code that torch.compile generates, or an extension, calls kernels that are no operators.
        words = f"a kernel that is no operator of torch gives other bits; {symbol} gets them first"
        symbol = None
    return Naming(Cause.NONDETERMINISTIC_OP, finding.site, symbol, words, finding.other_sites)


SOURCE = Source(
    name=NAME,
    words="kernels, by torch.use_deterministic_algorithms(True)",
    causes=(Cause.NONDETERMINISTIC_OP,),
    tap=_tap,
    suspicion=Suspicion(unseen=8, by_chance=True, by_place=lambda divergence: _by_place(divergence, 0, 64)),
    name_fault=_name,
    names_operator=True,
    held_by=deterministic.VARIABLES,
)

_BY_ONE_THREAD = Source(
    name=ONE_THREAD,
    words="kernels, by one thread",
    causes=(Cause.NONDETERMINISTIC_OP,),
    tap=_tap_threads,
    suspicion=Suspicion(unseen=5, by_place=lambda divergence: _by_place(divergence, 1, 20)),
    name_fault=_name,
    names_operator=True,
    last_resort=True,
    held_by=threads.variables(1),
)

SOURCES = (_BY_ONE_THREAD,)
