"""Make an answer of the trials of samples in several batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detaudit.axes.catalogue import axis_named
from detaudit.compare.enough_runs import bound
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.plan import Target
from detaudit.model.result import AuditResult, Compared, Finding, Notice, Origin, Verdict
from detaudit.model.trace import Level
from detaudit.model.variation import LayerNumbers, Variation
from detaudit.run.progress import Progress
from detaudit.vary.batch import BatchReport, audit_batch
from detaudit.vary.batch_mixing import Mixing
from detaudit.vary.options import VaryOptions
from detaudit.vary.verdict import ROUNDING

MIXED = "samples-mixed"
FIX_OF_ROUNDING = (
    "compute with one batch size, or with kernels whose sums do not depend on it; PyTorch promises no more "
    "(PyTorch docs: Numerical accuracy, batched computations)"
)
FIX_OF_MIXING = (
    "let the module work on each sample by itself: check that it does not reduce over the batch dimension, "
    "nor read across it"
)
BY_DEFINITION = "evaluate with model.eval(), or use GroupNorm or LayerNorm, which do not use the batch"


def audit_samples(target: Target, options: VaryOptions, progress: Progress) -> AuditResult:
    """Say whether a sample of a model file has the same numbers in batches of the sizes on the only axis."""
    ((name, sizes),) = options.axes.items()
    axis = axis_named(name)
    report = audit_batch(target, options.audit, [axis.value_in(size) for size in sizes], progress)
    first, second = (f"{name}={size}" for size in (report.sizes[0], report.sizes[-1]))
    variation = Variation(
        (name,),
        first,
        second,
        axis.owes,
        report.equal,
        layers=(*report.layers, *report.training),
        named=tuple(_named(one) for one in report.mixing),
    )
    findings = tuple(_findings(report, name, (first, second)))
    verdict, reason = _verdict(report, findings, options.tolerance)
    return AuditResult(
        verdict=verdict,
        reason=reason,
        target=target.summary,
        runs=(),
        compared=_compared(report),
        findings=findings if verdict is Verdict.NOT_REPRODUCIBLE else (),
        varied=(variation,) if report.variants else (),
        notices=tuple(_notices(report)),
    )


def _verdict(
    report: BatchReport, findings: tuple[Finding, ...], tolerance: float | None
) -> tuple[Verdict, str | None]:
    mixed = any(not one.ambiguous for one in report.mixing)
    if report.problems and not mixed:
        return Verdict.UNVERIFIED, report.problems[0]
    if report.equal or (not mixed and _within(report, tolerance)):
        return Verdict.REPRODUCIBLE, None
    if not findings:
        return (
            Verdict.UNVERIFIED,
            "a sample's numbers depend on its batch, and which module causes this is not known",
        )
    return Verdict.NOT_REPRODUCIBLE, None


def _within(report: BatchReport, tolerance: float | None) -> bool:
    far = [one.propagated.relative for one in (*report.layers, *report.training) if one.propagated]
    return tolerance is not None and bool(far) and all(one <= tolerance for one in far)


def _findings(report: BatchReport, axis: str, names: tuple[str, str]) -> Iterator[Finding]:
    for one in report.mixing:
        if not one.ambiguous:
            yield _mixing(one, names)
    rounding = report.rounding
    if rounding and not report.equal:
        yield _rounding(rounding, axis, names)


def _mixing(one: Mixing, names: tuple[str, str]) -> Finding:
    measured = {"mode": one.mode, "by_definition": one.by_definition, "relative": one.relative}
    far = "" if one.relative is None else f": its numbers change by {one.relative:.2g} (relative)"
    return Finding(
        id=MIXED,
        cause=None,
        confirmed=True,
        evidence=(Evidence(EvidenceKind.MEASUREMENT, details=measured),),
        origin=Origin(names, 0, "forward", one.module, None, f"output of {one.module or one.kind}"),
        site=None,
        other_sites=(),
        symbol=one.kind,
        message=f"in {one.mode} mode, {_named(one)}{far}",
        fix=BY_DEFINITION if one.by_definition else FIX_OF_MIXING,
        rate={"differs": 1, "pairs": 1},
        affects=None,
    )


def _rounding(rounding: Sequence[LayerNumbers], axis: str, names: tuple[str, str]) -> Finding:
    """Other bits and the same numbers: the first module that rounds otherwise, and the furthest."""
    first = rounding[0]
    worst = max(rounding, key=lambda one: 0.0 if one.isolated is None else one.isolated.ulp)
    ulp = 0.0 if worst.isolated is None else worst.isolated.ulp
    modules = len({(one.root, one.module) for one in rounding})
    made = "1 module rounds" if modules == 1 else f"{modules} modules round"
    measured = {"axis": axis, "modules": modules, "largest_ulp": ulp}
    where = f"{worst.value} of {worst.module or worst.root}"
    return Finding(
        id=ROUNDING,
        cause=ROUNDING,
        confirmed=True,
        evidence=(Evidence(EvidenceKind.AXIS, details=measured),),
        origin=Origin(
            names, 0, first.phase, first.module, None, f"{first.value} of {first.module or first.root}"
        ),
        site=None,
        other_sites=(),
        symbol=first.kind,
        message=(
            "a sample alone has other bits than the same sample in a batch, by rounding alone: "
            f"{made} otherwise, by at most {ulp:.3g} ULP ({where})"
        ),
        fix=FIX_OF_ROUNDING,
        rate={"differs": 1, "pairs": 1},
        affects=None,
    )


def _named(one: Mixing) -> str:
    return f"{one.module or 'the model itself'} ({one.kind}) {one.how}"


def _notices(report: BatchReport) -> Iterator[Notice]:
    if report.variants:
        tried = ", ".join(dict.fromkeys(one.name for one in report.variants))
        yield Notice("batches-tried", f"{report.tried} samples, each {tried}")
    for text in report.problems:
        yield Notice("not-compared", text)
    for text in report.notes:
        yield Notice("batch-note", text)


def _compared(report: BatchReport) -> Compared | None:
    if not report.variants:
        return None
    pairs = len(report.variants)
    values = len(report.layers) + len(report.training)
    return Compared(pairs, 1, pairs * values, Level.LAYER.value, (), bound(pairs))
