"""From what was found along the axes to the verdict: nothing unmeasured is green, rounding alone no fault."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from detaudit.model.result import Notice, Verdict
from detaudit.model.variation import Growth
from detaudit.vary.verdict import LAYERS_LEFT_OUT, with_verdict
from tests.results import finding, variation, varied

ROUNDING = replace(finding(), cause="numeric-setting")
FAULT = replace(finding(), cause=None)


def test_equal_bits_are_reproducible():
    """Where all runs have the same bits, that is the verdict."""
    assert with_verdict(varied(variation(equal=True)), None).verdict is Verdict.REPRODUCIBLE


@pytest.mark.parametrize("tolerance", [None, 1e-6])
def test_other_bits_are_not_the_same(tolerance):
    """Rounding is not reproducible by itself, nor with a tolerance that the weights leave."""
    result = with_verdict(varied(variation(), findings=[ROUNDING]), tolerance)
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert result.findings == (ROUNDING,)


def test_a_tolerance_accepts_rounding():
    """With a tolerance that all weights keep in every step, other bits are accepted."""
    result = with_verdict(varied(variation(), findings=[ROUNDING]), 1e-4)
    assert (result.verdict, result.findings) == (Verdict.REPRODUCIBLE, ())


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_numbers_that_are_not_finite_on_both_sides_are_not_green(loss):
    """Where a training diverges in both runs, there is nothing that could be the same."""
    lost = replace(variation(promise="precision"), growth=(Growth(0, 1e-3, 1e-3), Growth(1, loss, loss)))
    result = with_verdict(varied(lost), None)
    assert result.verdict is Verdict.UNVERIFIED
    assert "not finite in step 1" in result.reason


def test_a_tolerance_accepts_no_fault():
    """A wrong layer, or a fault along an axis that must not matter, is one whatever the tolerance."""
    assert with_verdict(varied(variation(), findings=[FAULT]), 1.0).verdict is Verdict.NOT_REPRODUCIBLE
    assert with_verdict(varied(variation("bits"), findings=[FAULT]), 1.0).verdict is Verdict.NOT_REPRODUCIBLE


def test_a_tolerance_says_nothing_where_growth_is_not_known():
    """Without an estimate of how far the weights are apart, a tolerance accepts nothing."""
    result = with_verdict(varied(variation(growth=()), findings=[ROUNDING]), 1.0)
    assert result.verdict is Verdict.NOT_REPRODUCIBLE


def test_numbers_decide_where_bits_cannot_agree():
    """Along a device, no wrong layer among those measured is reproducible; nothing measured is unverified."""
    assert with_verdict(varied(variation("precision")), None).verdict is Verdict.REPRODUCIBLE
    unmeasured = with_verdict(varied(variation("precision", layers=(), operators=())), None)
    assert unmeasured.verdict is Verdict.UNVERIFIED
    assert unmeasured.reason == "no layer could be measured with device=1 and with device=2"


def test_what_was_left_out_is_not_green():
    """Along a device, a layer that could not be measured leaves the answer open, and is named."""
    result = varied(variation("precision"))
    result = replace(result, notices=(Notice(LAYERS_LEFT_OUT, "Net.lstm: it keeps state"),))
    told = with_verdict(result, None)

    assert told.verdict is Verdict.UNVERIFIED
    assert told.reason == (
        "not every layer could be measured with device=1 and with device=2: Net.lstm: it keeps state"
    )


def test_numbers_that_are_not_finite_keep_no_tolerance():
    """Where the runs differ and one of them has NaN weights, no tolerance is kept."""
    growth = (Growth(0, 1e-9, None), Growth(1, math.nan, None))
    result = with_verdict(varied(variation(growth=growth), findings=[ROUNDING]), 1.0)
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
