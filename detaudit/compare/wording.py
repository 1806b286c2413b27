"""Plain words for events and divergences."""

from __future__ import annotations

from detaudit.compare.ranks import rank_of
from detaudit.model.result import Comparison, Divergence, DivergenceKind
from detaudit.model.trace import Event, Kind, Phase, Place

NOTHING_BEFORE = "and everything recorded before it agrees"
FROM_OUTSIDE = "the difference comes from outside torch, or from operators that were not recorded"

DRAWING = tuple(
    f"aten.{name}"
    for name in (
        "normal",
        "uniform",
        "rand",
        "bernoulli",
        "native_dropout",
        "multinomial",
        "exponential",
        "poisson",
    )
)
"""Beginnings of the names of operators that draw random numbers."""

NAMES = {
    Kind.BATCH: "batch from the DataLoader",
    Kind.BATCH_TEXT: "strings in a batch from the DataLoader",
    Kind.INPUT: "input of {root}",
    Kind.MODULE: "output of {module}",
    Kind.GRAD_OUTPUT: "gradient that arrives at the output of {module}",
    Kind.LOSS: "loss",
    Kind.GRAD: "gradient of {name}",
    Kind.GRAD_ACCUMULATED: "accumulated gradient of {name}",
    Kind.GRAD_USED: "gradient of {name} as the optimizer uses it",
    Kind.OPTIMIZER_STATE: "optimizer state {name}",
    Kind.OP: "result of operator {operator}",
}
"""Names for events of each kind; weights and buffers are named by the time at which they were seen."""


def describe(event: Event) -> str:
    """Name an event in a few words, without an article."""
    place = event.place
    if place.kind in {Kind.WEIGHT, Kind.BUFFER}:
        when = "initial value of" if place.phase is Phase.INIT else "value after the step of"
        return f"{when} {place.kind.value} {full_name(place)}"
    root = place.root or "the model"
    return NAMES[place.kind].format(
        name=full_name(place) or "a parameter", module=module_name(place), root=root, operator=place.name
    )


def full_name(place: Place) -> str:
    """Return `layer1.conv.weight`: the module's path and the name in that module."""
    return ".".join(filter(None, (place.module, place.name)))


def module_name(place: Place) -> str:
    """Return `module layer1.conv`, or the class of the outermost module itself."""
    if place.module:
        return f"module {place.module}"
    return f"module {place.root}" if place.root else "the module"


def message(divergence: Divergence, comparison: Comparison, outside: str = FROM_OUTSIDE) -> str:
    """Say in a sentence how the runs part; `outside`: where a value comes from that nothing explains."""
    if divergence.kind is DivergenceKind.STRUCTURE:
        return _structure(divergence, comparison)
    subject = f"the {describe(divergence.event)}"
    if not divergence.origin:
        return _receiver(divergence, comparison, outside)
    if divergence.event.place.kind is Kind.WEIGHT and "/" in divergence.stream:
        return f"{subject} differs: several threads update it, in an order that is not fixed"
    return _value(divergence.event.place, subject, outside, in_rank=rank_of(divergence.stream) is not None)


def _structure(divergence: Divergence, comparison: Comparison) -> str:
    has, lacks = comparison.runs if divergence.first is not None else reversed(comparison.runs)
    event = divergence.event
    if (
        (divergence.stream == "main" or rank_of(divergence.stream) is not None)
        and divergence.step >= comparison.steps > 0
        and event.place.phase is not Phase.EVAL
    ):
        return f"run {has} goes on to step {divergence.step}, which run {lacks} does not complete"
    if event.place.phase is Phase.EVAL:
        return (
            f"run {has} has an evaluation pass in step {divergence.step} that run {lacks} does not have there"
        )
    what = {Kind.MODULE: f"a call of {module_name(event.place)}", Kind.OP: f"a call of {event.place.name}"}
    thing = what.get(event.place.kind) or _with_article(describe(event))
    return f"run {has} has {thing} in step {divergence.step} that run {lacks} does not have there"


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _receiver(divergence: Divergence, comparison: Comparison, outside: str) -> str:
    event = divergence.event
    if event.place.kind is not Kind.OP:
        return _because(f"the input of {module_name(event.place)} differs {NOTHING_BEFORE}", outside)
    if event.place.name.startswith(DRAWING) and _torch_generator_differs(divergence, comparison):
        return (
            f"operator {event.place.name} draws from torch's generator, whose state already differs: "
            "the generator was not seeded, or the runs drew different numbers from it before"
        )
    what = f"operator {event.place.name} reads a value that differs {NOTHING_BEFORE}"
    return f"{what}: the value comes from outside torch"


def _torch_generator_differs(divergence: Divergence, comparison: Comparison) -> bool:
    return any(
        one.generator == "torch" and one.stream == divergence.stream and one.from_step <= divergence.step
        for one in comparison.generators
    )


def _because(words: str, outside: str) -> str:
    return f"{words}: {outside}" if outside else words


def _value(place: Place, subject: str, outside: str, *, in_rank: bool) -> str:
    match place.kind:
        case Kind.MODULE | Kind.OP:
            return f"{subject} differs although its inputs agree"
        case Kind.INPUT:
            return _because(f"{subject} differs {NOTHING_BEFORE}", outside)
        case Kind.GRAD_USED if in_rank:
            return (
                f"{subject} differs although it agreed when it arrived: the exchange of gradients between "
                "ranks gave other values, or something between backward and step changed it"
            )
        case Kind.GRAD_USED:
            return (
                f"{subject} differs although it agreed when it arrived: something between backward and step "
                "changed it (gradient clipping, for example)"
            )
        case Kind.WEIGHT if place.phase is Phase.OPTIMIZER:
            return f"the weight {full_name(place)} differs after the step although its gradient agrees"
        case _:
            return f"{subject} differs {NOTHING_BEFORE}"
