"""Derive the verdict from what was found along the axes."""

from __future__ import annotations

import math
from dataclasses import replace

from detaudit.model.cause import Cause
from detaudit.model.result import AuditResult, Verdict
from detaudit.model.variation import Growth, Promise, Variation
from detaudit.vary.growth import largest

ROUNDING = Cause.NUMERIC_SETTING
"""The cause of a difference by rounding alone."""
LAYERS_LEFT_OUT = "layers-not-measured"
"""The notice that says which layers could not be compared."""


def with_verdict(result: AuditResult, tolerance: float | None) -> AuditResult:
    """Give the verdict.

    Other bits are other bits: `not-reproducible`, whatever the axis may change, unless the user names a
    tolerance and all weights stay within it. Where equal bits cannot be had at all (another device, another
    dtype), the numbers decide: no layer may be out of proportion, and all must have been measured.
    """
    faults = [one for one in result.findings if one.cause != ROUNDING]
    if faults:
        return replace(result, verdict=Verdict.NOT_REPRODUCIBLE)
    why = next(filter(None, (_why_unmeasured(one, result) for one in result.varied)), None)
    if why is not None:
        return replace(result, verdict=Verdict.UNVERIFIED, reason=why, findings=())
    settled = all(_is_settled(one, tolerance) for one in result.varied)
    if settled:
        return replace(result, verdict=Verdict.REPRODUCIBLE, findings=())
    return replace(result, verdict=Verdict.NOT_REPRODUCIBLE)


def _why_unmeasured(variation: Variation, result: AuditResult) -> str | None:
    """Explain why the numbers say nothing where only they could; None where they do, or where bits decide."""
    if variation.equal or variation.promise != Promise.PRECISION:
        return None
    lost = next((one.step for one in variation.growth if not _is_finite(one)), None)
    if lost is not None:
        return f"weights or loss are not finite in step {lost}, so there are no numbers to compare"
    sides = f"with {variation.first} and with {variation.second}"
    if not any(layer.isolated is not None for layer in variation.layers):
        return f"no layer could be measured {sides}"
    left_out = next((one.message for one in result.notices if one.id == LAYERS_LEFT_OUT), None)
    return None if left_out is None else f"not every layer could be measured {sides}: {left_out}"


def _is_finite(growth: Growth) -> bool:
    return all(math.isfinite(one) for one in (growth.weights, growth.loss) if one is not None)


def _is_settled(variation: Variation, tolerance: float | None) -> bool:
    if variation.equal or variation.promise == Promise.PRECISION:
        return True
    far = largest(variation.growth)
    return tolerance is not None and far is not None and far <= tolerance
