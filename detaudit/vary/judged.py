"""From what was found along the axes to the verdict."""

from __future__ import annotations

from dataclasses import replace

from detaudit.model.axes import Promise
from detaudit.model.result import AuditResult, Verdict
from detaudit.model.variation import Variation
from detaudit.vary.growth import largest

ROUNDING = "numeric-setting"
"""The cause of a difference that is rounding and no more."""


def judged(result: AuditResult, tolerance: float | None) -> AuditResult:
    """Give the verdict.

    Other bits are other bits: `not-reproducible`, whatever the axis may change, unless the user names a
    tolerance and all weights stay within it. Where equal bits cannot be had at all (another device, another
    dtype), the numbers decide: no layer may be out of proportion, and all must have been measured.
    """
    faults = [one for one in result.findings if one.cause != ROUNDING]
    if faults:
        return replace(result, verdict=Verdict.NOT_REPRODUCIBLE)
    unmeasured = [one for one in result.varied if not one.equal and not one.layers and not one.operators]
    if unmeasured and any(one.promise == Promise.PRECISION.value for one in unmeasured):
        one = unmeasured[0]
        reason = f"no layer could be measured with {one.first} and with {one.second}"
        return replace(result, verdict=Verdict.UNVERIFIED, reason=reason, findings=())
    settled = all(_is_settled(one, tolerance) for one in result.varied)
    if settled:
        return replace(result, verdict=Verdict.REPRODUCIBLE, findings=())
    return replace(result, verdict=Verdict.NOT_REPRODUCIBLE)


def _is_settled(variation: Variation, tolerance: float | None) -> bool:
    if variation.equal or variation.promise == Promise.PRECISION.value:
        return True
    far = largest(variation.growth)
    return tolerance is not None and far is not None and far <= tolerance
