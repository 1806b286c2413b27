"""The lines about `--vary`: what is promised, what differs, where it is made, how it grows."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema

from detaudit.model.codec import result_from_json, result_to_json
from detaudit.model.result import Verdict
from detaudit.model.variation import Growth
from detaudit.report.terminal import text_of
from tests.model.test_codec import SCHEMA
from tests.results import finding, layer, operator, variation, varied


def rounding(one):
    """The finding of a setting that rounds otherwise."""
    found = finding()
    return replace(
        found,
        cause="numeric-setting",
        confirmed=True,
        origin=replace(found.origin, run=(one.first, one.second)),
    )


def test_equal_bits_are_said_to_be_so():
    """Where every run has the same bits, the headline says that, and one line each says along which axis."""
    text = text_of(varied(variation(equal=True), variation("bits", equal=True)))

    assert text.startswith("SAME BITS  train.py")
    assert "threads=1 and threads=2: the same bits" in text
    assert "workers=1 and workers=2: the same bits" in text
    assert "that excludes" not in text


def test_rounding_is_no_fault_and_no_equality():
    """Other bits are neither called the same nor called a fault: the headline is one of its own."""
    one = variation()
    text = text_of(varied(one, verdict=Verdict.NOT_REPRODUCIBLE, findings=[rounding(one)]))

    assert text.startswith("OTHER BITS  train.py")
    assert "threads=1 and threads=2: other bits, the same numbers up to rounding" in text
    assert "1 operator gives other bits for the same inputs" in text
    assert "addmm" in text
    assert "step 0, 1 layer with the same inputs on both sides: none out of proportion" in text


def test_a_fault_is_no_rounding():
    """Along an axis that must reach no number, a difference keeps the plain headline."""
    text = text_of(varied(variation("bits"), verdict=Verdict.NOT_REPRODUCIBLE, findings=[finding()]))

    assert text.startswith("NOT REPRODUCIBLE  train.py")
    assert "other bits, although the axis must not change them" in text


def test_a_wrong_layer_stands_first():
    """A layer out of proportion is shown before all others, isolated and propagated side by side."""
    wrong = layer("wrong", "Linear", isolated=0.2, flagged=True, second_error=0.2, why="is off")
    one = variation("precision", layers=(layer(second_error=9e-8), wrong))
    text = text_of(varied(one, verdict=Verdict.NOT_REPRODUCIBLE, findings=[finding()]))

    assert "other numbers, by more than rounding" in text
    rows = [line for line in text.splitlines() if "Linear" in line or "LayerNorm" in line]
    assert ["wrong (Linear)" in row for row in rows] == [True, False]
    assert "2.0e-01" in rows[0]
    assert "2.0e-07" in rows[0]
    assert "1 layer out of proportion" in text


def test_numbers_alone_are_called_so():
    """Along an axis where bits cannot agree, no wrong layer is `SAME NUMBERS`, not `SAME BITS`."""
    text = text_of(varied(variation("precision")))
    assert text.startswith("SAME NUMBERS  train.py")


def test_what_was_not_measured_is_not_called_rounding():
    """Without a measured layer or operator nothing is said about rounding."""
    one = variation(layers=(), operators=())
    text = text_of(varied(one, verdict=Verdict.NOT_REPRODUCIBLE, findings=[rounding(one)]))

    assert "other bits; how far apart could not be measured" in text
    assert "the same numbers" not in text


def test_growth_is_a_plot():
    """The relative difference has a row for each decade and a column for each step."""
    text = text_of(varied(variation("precision")))
    rows = [line.strip() for line in text.splitlines() if line.strip().startswith("1e-")]

    assert "1.0e-08 after step 0, 1.0e-05 after step 3" in text
    assert rows == ["1e-05 |   *", "1e-06 |  *", "1e-07 | *", "1e-08 |*"]


def test_a_difference_that_does_not_show_has_no_plot():
    """Steps without a difference, or without a finite one, are left out."""
    growth = (
        Growth(0, None, None),
        Growth(1, 0.0, None),
        Growth(2, float("nan"), None),
        Growth(3, 1e-7, None),
    )
    assert "growth" not in text_of(varied(variation("precision", growth=growth)))


def test_operators_that_were_not_compared_are_named():
    """An operator that only one side calls is said to be not compared."""
    why = "not called with device=1"
    one = variation("precision", operators=(operator(changed=0, why=why),))
    assert f"not compared: aten.addmm.default ({why})" in " ".join(text_of(varied(one)).split())


def test_long_paths_keep_their_end():
    """Of a long path, the end is shown, which tells modules apart."""
    one = variation("precision", layers=(layer("encoder.layers.11.attention.output.norm"),))
    assert "...ion.output.norm (LayerNorm)" in text_of(varied(one))


def test_it_fits_the_schema_and_comes_back():
    """The JSON result has all of it, in the shape of the contract, and is read back as it was."""
    far = layer(isolated=float("nan"), second_error=None, allowed=None, of_allowed=None)
    result = varied(variation("precision", layers=(far,)))
    text = result_to_json(result, "0.1.0")

    jsonschema.validate(json.loads(text), SCHEMA)
    again = result_from_json(text, "result.json")
    assert result_to_json(again, "0.1.0") == text
