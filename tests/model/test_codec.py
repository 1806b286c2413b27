"""An answer as JSON: the contract, there and back."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest

from detaudit.errors import TraceError
from detaudit.model.codec import result_from_json, result_to_dict, result_to_json
from detaudit.model.result import Verdict
from tests.results import differing, equal, unverified

SCHEMA = json.loads(resources.files("detaudit.model").joinpath("result.schema.json").read_text())
ANSWERS = {"equal": equal(), "differing": differing(), "unverified": unverified()}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_comes_back_as_it_was(answer):
    assert result_from_json(result_to_json(answer, "0.1.0"), "text") == answer


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_fits_the_schema(answer):
    jsonschema.validate(result_to_dict(answer, "0.1.0"), SCHEMA)


def test_the_schema_itself_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def damaged(change):
    document = result_to_dict(differing(), "0.1.0")
    change(document)
    return document


INVALID = {
    "a missing key": lambda it: it.pop("findings"),
    "an unknown verdict": lambda it: it.update(verdict="perhaps"),
    "a finding without its origin": lambda it: it["findings"][0].pop("origin"),
    "one run in an origin": lambda it: it["findings"][0]["origin"].update(run=["1"]),
    "a negative step": lambda it: it["findings"][0]["origin"].update(step=-1),
    "no reason for unverified": lambda it: it.update(verdict="unverified"),
    "a finding in a reproducible result": lambda it: it.update(verdict="reproducible"),
    "another schema": lambda it: it.update(schema="detaudit.result/2"),
    "a digest that is none": lambda it: it["runs"][0].update(final_digest="abc"),
}


@pytest.mark.parametrize("change", INVALID.values(), ids=INVALID.keys())
def test_the_schema_refuses(change):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(damaged(change), SCHEMA)


def test_the_keys_of_the_contract_come_in_its_order():
    keys = list(result_to_dict(equal(), "0.1.0"))
    expected = ["schema", "detaudit", "verdict", "reason", "target", "runs", "compared", "findings"]
    expected += ["unexplained", "extra_runs", "perturbed", "references", "varied", "notices", "scope"]
    assert keys == expected


def test_a_result_from_before_a_key_was_added_is_read():
    document = result_to_dict(equal(), "0.1.0")
    del document["extra_runs"], document["perturbed"]

    assert result_from_json(json.dumps(document), "old.json") == equal()


def test_numbers_that_json_lacks_are_strings():
    run = replace(
        equal().runs[0], seconds=float("nan"), environment={"limit": float("-inf"), "all": [float("inf")]}
    )
    answer = replace(equal(), runs=(run,))
    document = json.loads(result_to_json(answer, "0.1.0"))
    jsonschema.validate(document, SCHEMA)
    assert document["runs"][0]["seconds"] == "NaN"
    assert document["runs"][0]["environment"] == {"limit": "-Infinity", "all": ["Infinity"]}
    assert str(result_from_json(json.dumps(document), "text").runs[0].seconds) == "nan"


def test_keys_that_were_added_later_are_left_out():
    document = result_to_dict(equal(), "0.9.0")
    document["new"] = document["runs"][0]["new"] = 1
    assert result_from_json(json.dumps(document), "text") == equal()


def slug_of(text):
    with pytest.raises(TraceError) as caught:
        result_from_json(text, "r.json")
    assert "r.json" in caught.value.message
    assert caught.value.hint
    return caught.value.slug


@pytest.mark.parametrize("text", ["", "{", b"\xff\xfe\x00", "[" * 100_000])
def test_what_is_not_json_is_damaged(text):
    assert slug_of(text) == "result-damaged"


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"schema": 5}', '{"schema": "sarif/2"}'])
def test_what_is_not_a_result_is_foreign(text):
    assert slug_of(text) == "result-foreign"


def test_a_newer_schema_is_told_as_such():
    assert slug_of('{"schema": "detaudit.result/2"}') == "result-version"


def test_a_cut_result_is_damaged():
    text = result_to_json(differing(), "0.1.0")
    assert slug_of(text[: len(text) // 2]) == "result-damaged"


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.pop("notices"),
        lambda it: it.update(runs={}),
        lambda it: it.update(verdict="perhaps"),
        lambda it: it.update(runs=[5]),
        lambda it: it["runs"][0].update(steps="many"),
        lambda it: it["runs"][0].update(steps=True),
        lambda it: it["compared"].update(bound=5),
        lambda it: it["findings"][0]["origin"].update(run=["1", "2", "3"]),
        lambda it: it["findings"][0]["rate"].update(differs=None),
    ],
)
def test_a_result_with_wrong_content_is_damaged(change):
    assert slug_of(json.dumps(damaged(change))) == "result-damaged"


def test_every_verdict_has_its_word():
    assert {verdict.value for verdict in Verdict} == set(SCHEMA["properties"]["verdict"]["enum"])
