"""Make findings of what was measured along an axis: a wrong layer, other rounding, and what explains it."""

from __future__ import annotations

import linecache
from collections.abc import Iterator, Sequence
from dataclasses import replace

from detaudit.axes.catalogue import axis_named
from detaudit.compare.result import finding_from
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.result import Comparison, Finding, Origin
from detaudit.model.trace import Site
from detaudit.model.variation import LayerNumbers, OperatorNumbers, Promise, Variation
from detaudit.replay.wire.files import NAMED
from detaudit.vary.experiment import Run, shares_draws
from detaudit.vary.layers import LayerLines
from detaudit.vary.verdict import ROUNDING

WRONG_LAYER = "wrong-layer"

_MOST = 4


def findings_of(
    variation: Variation, comparison: Comparison, lines: LayerLines, *, whole: bool
) -> Iterator[Finding]:
    """Find the layers that are wrong; if there are none though bits could have been equal, the setting.

    `whole` is false if some layers could not be measured.
    """
    flagged = [layer for layer in variation.layers if layer.flagged]
    for layers in _by_module(flagged):
        yield _wrong_layer(variation, layers, comparison, lines.of(layers[0]))
    if not flagged and variation.promise == Promise.ROUNDING and comparison.first is not None:
        yield _rounding(variation, comparison, whole=whole)


def _by_module(flagged: list[LayerNumbers]) -> list[list[LayerNumbers]]:
    modules: dict[tuple[str, str], list[LayerNumbers]] = {}
    for layer in flagged:
        modules.setdefault((layer.root, layer.module), []).append(layer)
    return list(modules.values())


def _wrong_layer(
    variation: Variation, layers: list[LayerNumbers], comparison: Comparison, lines: tuple[Site, ...]
) -> Finding:
    """One module whose numbers are out of proportion on one side."""
    worst = layers[0]
    event = f"{worst.value} of module {worst.module or worst.root}"
    return Finding(
        id=WRONG_LAYER,
        cause=None,
        confirmed=True,
        evidence=tuple(_evidence(layer) for layer in layers),
        origin=Origin(
            run=(variation.first, variation.second),
            step=worst.step,
            phase=worst.phase,
            module=worst.module,
            op=None,
            event=event,
            root=worst.root,
        ),
        site=next(iter(lines), None),
        other_sites=lines[1:],
        symbol=worst.kind,
        message=_of_layer(layers),
        fix=f"compare what {worst.kind} computes with {variation.first} and with {variation.second}",
        rate={"differs": 1, "pairs": 1},
        affects=comparison.affected,
    )


def _of_layer(layers: list[LayerNumbers]) -> str:
    """Describe for a person what is wrong with a layer; the origin has its place for a program."""
    worst = layers[0]
    named = f"{worst.module or worst.root} ({worst.kind})"
    if worst.isolated is None and worst.propagated is None and "run only" in worst.why:
        return f"{named} {worst.why}"
    others = sorted({layer.value for layer in layers[1:]} - {worst.value})
    more = f"; likewise its {', '.join(others)}" if others else ""
    made = f"{named} makes the difference, with the same inputs on both sides"
    return f"{made}: its {worst.value}: {worst.why}{more}"


def _evidence(layer: LayerNumbers) -> Evidence:
    errors = {
        "isolated": layer.value,
        "first_error": layer.first_error,
        "second_error": layer.second_error,
        "allowed": layer.allowed,
    }
    return Evidence(EvidenceKind.MEASUREMENT, details=errors)


def _rounding(variation: Variation, comparison: Comparison, *, whole: bool) -> Finding:
    """Other bits and the same numbers: which setting, and the first operator that rounds otherwise."""
    finding = finding_from(comparison, differs=1, pairs=1)
    axes = " and ".join(variation.axes)
    operators = [one for one in variation.operators if one.changed]
    made = operators[0] if operators else None
    measured = whole and any(layer.isolated is not None for layer in variation.layers)
    sides = {"axis": axes, "set_back_equal_pairs": 1, "with": variation.second, "without": variation.first}
    evidence = Evidence(EvidenceKind.AXIS, pairs=1, details=sides)
    origin, site = finding.origin, finding.site
    if made is not None:
        origin = replace(origin, module=made.module, root=made.root, op=made.operator, phase=made.phase)
        site = _line(made, finding)
    return replace(
        finding,
        id=ROUNDING,
        cause=ROUNDING,
        confirmed=measured,
        evidence=(evidence,),
        origin=origin,
        site=site,
        other_sites=tuple(
            one for one in (finding.site, *finding.other_sites) if one not in {None, site} and one
        ),
        symbol=None if made is None else made.operator,
        message=_in_words(variation, operators, measured=measured),
        fix="; ".join(dict.fromkeys(_pin(axis) for axis in variation.axes)),
    )


def _in_words(variation: Variation, operators: list[OperatorNumbers], *, measured: bool) -> str:
    changed = f"with {variation.second}, other bits than with {variation.first}"
    proportion = "by rounding alone" if measured else "whether by rounding alone is not fully measured"
    far = [one for one in operators if one.apart is not None]
    if not far:
        return f"{changed}, {proportion}" + (": no layer is out of proportion" if measured else "")
    worst = max(far, key=lambda one: 0.0 if one.apart is None else one.apart.ulp)
    where = f" in {worst.module or worst.root}" if worst.root else ""
    ulp = "" if worst.apart is None else f"{worst.apart.ulp:.3g} ULP"
    count = f"{len(operators)} operators give" if len(operators) > 1 else "1 operator gives"
    return (
        f"{changed}, {proportion}: {count} other bits for the same inputs, at most {ulp} "
        f"({worst.operator}{where})"
    )


def _line(operator: OperatorNumbers, finding: Finding) -> Site | None:
    if operator.file is None or operator.line is None:
        return finding.site
    known = [one for one in (finding.site, *finding.other_sites) if one is not None]
    for site in known:
        if (site.file, site.line) == (operator.file, operator.line):
            return site
    return Site(operator.file, operator.line, "", _text_of(operator.file, operator.line))


def _text_of(file: str, line: int) -> str:
    return linecache.getline(file, line).strip()


def _pin(axis: str) -> str:
    return axis_named(axis).pin or f"keep {axis} the same in all runs"


def explanations_of(
    first: Run, second: Run, axes: Sequence[str], operators: Sequence[OperatorNumbers]
) -> Iterator[str]:
    """Each in words."""
    for run in (first, second):
        yield from (f"{words}, with {run.name}" for words in _reduced_precision(run))
        yield from _chosen(run)
    if shares_draws(axes):
        yield f"the random numbers of the run with {first.name} were used in both"
    yield from filter(None, (axis_named(axis).explains for axis in axes))
    one_sided = dict.fromkeys(one.operator for one in operators if one.why.startswith("not called with"))
    if one_sided:
        names = list(one_sided)
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        yield f"other kernels: only one of the runs calls {', '.join(names[:_MOST])}{more}"


def _reduced_precision(run: Run) -> Iterator[str]:
    """Name formats with a shorter mantissa than float32 in which a GPU may compute."""
    environment = run.reader.info.environment
    if "cuda" not in environment:
        return
    precision = environment.get("float32_matmul_precision")
    if precision != "highest":
        yield f"matrix products may use TF32 or bfloat16 (float32_matmul_precision is {precision!r})"
    if environment.get("cudnn_tf32"):
        yield "cuDNN's convolutions may use TF32 (torch.backends.cudnn.allow_tf32)"


def _chosen(run: Run) -> Iterator[str]:
    file = run.folder / NAMED
    if file.exists():
        yield from dict.fromkeys(file.read_text(encoding="utf-8").splitlines())
