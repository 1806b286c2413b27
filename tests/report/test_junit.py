"""The answer as JUnit's XML, as CI systems read it."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from detaudit.model.result import TargetSummary
from detaudit.report.junit import render_junit
from detaudit.report.terminal import text_of
from tests.results import changed, differing, equal, reference, unverified

ATTRIBUTES = {
    "testsuites": ({"name"}, {"name", "time", "tests", "failures", "errors", "disabled"}),
    "testsuite": (
        {"name", "tests"},
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"},
    ),
    "testcase": ({"name", "classname"}, {"name", "classname", "time", "assertions", "status"}),
    "failure": (set(), {"message", "type"}),
    "error": (set(), {"message", "type"}),
}
"""What each element must have, and may have: the part on which Jenkins' schema and those of others agree."""

CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "error"},
    "failure": set(),
    "error": set(),
}


def check(element):
    """Raise if an element, or one in it, is not as readers of JUnit's XML expect."""
    least, most = ATTRIBUTES[element.tag]
    assert least <= set(element.attrib) <= most
    for child in element:
        assert child.tag in CHILDREN[element.tag]
        check(child)
    for name in {"tests", "failures", "errors", "skipped"} & set(element.attrib):
        assert element.attrib[name].isdecimal()
    assert float(element.get("time", "0")) >= 0


def read(*results):
    root = ET.fromstring(render_junit(results))  # noqa: S314 - written a line above
    check(root)
    return root


def test_each_answer_is_a_case_and_each_count_is_right():
    root = read(equal(), differing(), unverified(), changed(reference()))
    (suite,) = root
    for element in (root, suite):
        assert [element.get(name) for name in ("tests", "failures", "errors")] == ["4", "2", "1"]
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["error"], ["failure"]]
    assert suite[0].attrib == {"classname": "detaudit.script", "name": "train.py --epochs 3", "time": "6.500"}


def test_a_failure_holds_the_first_answer_and_names_the_cause():
    result = differing(cause="unseeded-numpy", confirmed=True, message="numpy draws")
    (failure,) = read(result).iter("failure")
    assert failure.attrib == {
        "message": "NOT REPRODUCIBLE: unseeded-numpy: numpy draws",
        "type": "unseeded-numpy",
    }
    assert failure.text.strip() == text_of(result).strip()


def test_an_unverified_answer_is_an_error_with_its_reason():
    (error,) = read(unverified()).iter("error")
    assert error.attrib == {
        "message": "UNVERIFIED: run 2 ended with exit code 5",
        "type": "unverified",
    }


def test_a_change_is_a_failure_of_its_own_type():
    (failure,) = read(changed(reference())).iter("failure")
    assert failure.get("type") == "differs-from-lock"
    assert failure.get("message").startswith("CHANGED: the output of module fc1 differs")


def test_an_undiagnosed_difference_has_a_type_that_does_not_count():
    assert [one.get("type") for one in read(differing(), differing(id="difference-2")).iter("failure")] == [
        "difference"
    ] * 2


@pytest.mark.parametrize("text", ["<a>&\"'", "]]>", "\x00\x08\x1b[2J\x7f", "\ud800\ufffe\uffff", "größer 数"])
def test_nothing_that_a_program_says_breaks_the_document(text):
    target = TargetSummary("script", text, ())
    result = replace(differing(message=text), target=target)
    document = render_junit([result])
    assert document.isascii()
    root = read(result)
    assert root[0][0].get("name").isprintable()


def test_colour_that_the_environment_asks_for_is_not_in_the_file(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in text_of(differing())
    assert "[31m" not in render_junit([differing()])


def test_the_check_of_the_form_can_fail():
    for bad in ("<testsuite tests='1' name='x'><case/></testsuite>", "<testcase name='x'/>"):
        with pytest.raises(AssertionError):
            check(ET.fromstring(bad))  # noqa: S314 - written in this line
