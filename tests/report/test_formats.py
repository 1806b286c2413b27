"""The table of formats: what one answer, several, or none look like in each."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from detaudit.errors import TraceError
from detaudit.options import BY_NAME
from detaudit.report.formats import FORMATS, render_answer
from detaudit.report.json_ import is_session, read_session, render_json
from tests.results import differing, equal, unverified

RESULTS = [equal(), differing("größer"), unverified()]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_format_takes_any_number_of_answers_and_ends_its_last_line(name, count):
    text = FORMATS[name](RESULTS[:count])
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_an_option(name):
    assert BY_NAME[name].is_path


@pytest.mark.parametrize("count", [1, 3])
def test_a_session_has_one_form_however_many_answers_there_are(count):
    document = json.loads(render_json(RESULTS[:count]))
    assert document["schema"] == "detaudit.results/1"
    assert [one["schema"] for one in document["results"]] == ["detaudit.result/1"] * count
    assert read_session(render_json(RESULTS[:count]).encode(), "r.json") == RESULTS[:count]


def test_one_answer_is_the_contracts_object_and_no_session():
    text = render_answer("json", equal())
    assert json.loads(text)["schema"] == "detaudit.result/1"
    assert not is_session(text.encode())


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ('{"schema": "detaudit.results/2", "results": []}', "result-version"),
        ('{"schema": "detaudit.results/1"}', "result-damaged"),
        ('{"schema": "detaudit.results/1", "results": []}', "result-damaged"),
        ('{"schema": "detaudit.results/1", "results": [{}]}', "result-foreign"),
    ],
)
def test_a_bad_session_is_a_clear_message(text, slug):
    assert is_session(text.encode())
    with pytest.raises(TraceError) as caught:
        read_session(text.encode(), "r.json")
    assert caught.value.slug == slug
    assert "r.json" in caught.value.message


def test_the_table_is_imported_without_what_takes_long():
    code = (
        "import sys, detaudit.report.formats, detaudit.report.github; "
        "print(*{'torch', 'numpy', 'rich', 'jinja2', 'xml.etree.ElementTree'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
