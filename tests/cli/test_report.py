"""`detaudit report`: a saved result again."""

from __future__ import annotations

import pytest

from detaudit.model.codec import result_to_json
from tests.results import differing, equal, unverified


@pytest.mark.parametrize(("result", "code"), [(equal(), 0), (differing(), 1), (unverified(), 2)])
def test_a_result_is_shown_with_the_exit_code_of_its_verdict(command, tmp_path, result, code):
    (tmp_path / "r.json").write_text(result_to_json(result, "0.1.0"))
    ended, out, err = command("report", "r.json")
    assert (ended, err) == (code, "")
    assert "train.py --epochs 3" in out


@pytest.mark.usefixtures("traces")
def test_a_result_is_shown_as_diff_showed_it(command):
    _, shown, _ = command("diff", "a.trace", "other.trace", "--json", "r.json")
    assert command("report", "r.json")[1] == shown


def test_json_comes_out_as_it_went_in(command, tmp_path):
    text = result_to_json(differing(), "0.1.0")
    (tmp_path / "r.json").write_text(text)
    assert command("report", "r.json", "--json", "-") == (1, text, "")


BAD = {
    "missing": (None, "result-missing"),
    "empty": ("", "result-damaged"),
    "cut": (result_to_json(equal(), "0.1.0")[:200], "result-damaged"),
    "foreign": ('{"version": "2.1.0", "runs": []}', "result-foreign"),
    "newer": ('{"schema": "detaudit.result/2"}', "result-version"),
}


@pytest.mark.parametrize(("text", "slug"), BAD.values(), ids=BAD.keys())
def test_a_bad_result_is_a_clear_message(command, tmp_path, text, slug):
    if text is not None:
        (tmp_path / "bad.json").write_text(text)
    code, out, err = command("report", "bad.json")
    assert (code, out) == (2, "")
    assert f"[{slug}]" in err
    assert "bad.json" in err
    assert "  hint: " in err


@pytest.mark.usefixtures("traces")
def test_a_trace_is_sent_to_diff(command):
    code, _, err = command("report", "a.trace")
    assert code == 2
    assert "detaudit diff" in err
