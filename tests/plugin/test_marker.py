"""The marker `reproducible`: one session, looked at from many sides; and what the marks of a test say."""

from __future__ import annotations

import pytest

from detaudit.config import Settings
from pytest_detaudit.marked import _judge
from tests.plugin.sessions import files, session
from tests.results import differing, equal

TESTS = """
    import asyncio
    import unittest

    import pytest

    from training import train

    again = pytest.mark.reproducible


    @pytest.fixture(scope="session")
    def width():
        return 3


    @pytest.fixture(scope="module")
    def layer(width):
        import torch

        return torch.nn.Linear(width, 2)


    @again
    @pytest.mark.parametrize("lr", [0.5])
    class TestInAClass:
        @pytest.mark.asyncio
        async def test_with_fixtures(self, layer, lr, tmp_path):
            await asyncio.sleep(0)
            train(lr, model=layer)


    class TestCase(unittest.TestCase):
        @again(expect="not-reproducible", level="step")
        def test_of_unittest(self):
            train(noise=True)


    @again(level="step")
    @pytest.mark.xfail(reason="draws from the operating system", strict=True)
    def test_known_to_differ():
        train(noise=True)


    @again(vary={"hash-seed": [0, 1]}, level="step")
    def test_varied():
        train(order=True)


    @again
    def test_trains_nothing():
        pass


    @again
    def test_fails():
        assert False


    @again
    @pytest.mark.skip(reason="not now")
    def test_skipped():
        pass


    @again
    def test_differs_from_run_to_run_in_how_it_ends(tmp_path):
        from pathlib import Path

        mark = Path(__file__).with_name("ran")
        assert not mark.exists(), "ran before"
        mark.touch()


    def test_unmarked():
        train(noise=True)
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    folder = files(tmp_path_factory.mktemp("marker"), test_it=TESTS)
    return session(folder, "-p", "pytest_asyncio.plugin")


def test_an_async_test_with_class_parameters_and_fixtures_of_all_scopes_is_run_again(ended):
    assert ended.outcomes()["TestInAClass::test_with_fixtures[0.5]"] == "PASSED"


def test_a_test_of_unittest_that_is_expected_to_differ_is_run_again_and_passes_where_it_does(ended):
    assert ended.outcomes()["TestCase::test_of_unittest"] == "PASSED"


def test_a_test_that_is_known_to_differ_is_an_expected_failure(ended):
    assert ended.outcomes()["test_known_to_differ"] == "XFAIL"


def test_a_test_is_run_under_the_conditions_that_its_mark_varies(ended):
    assert ended.outcomes()["test_varied"] == "FAILED"
    assert "hash-seed=1" in ended.about("test_varied")


def test_a_marked_test_that_trains_nothing_fails_with_its_line(ended):
    told = ended.about("test_trains_nothing")
    assert "unverified: test_it.py::test_trains_nothing trains nothing" in told
    line = 1 + ended.text("test_it.py").splitlines().index("def test_trains_nothing():")
    # The line of its first decorator is where pytest says that a test is.
    assert f"test_it.py:{line - 1}" in told


def test_a_test_that_fails_by_itself_is_not_audited(ended):
    assert "assert False" in ended.about("test_fails")
    assert "test_fails: " not in ended.output.partition("= detaudit =")[2].partition("short test summary")[0]


def test_a_skipped_test_is_not_audited(ended):
    assert "1 skipped" in ended.output


def test_a_test_that_fails_only_when_run_again_is_no_answer(ended):
    told = ended.about("test_differs_from_run_to_run_in_how_it_ends")
    assert "unverified: run 1 ended with exit status 1" in told
    assert "ran before" in told


def test_a_test_without_the_mark_is_left_alone(ended):
    assert ended.outcomes()["test_unmarked"] == "PASSED"
    assert "6 audits: 1 reproducible, 3 not reproducible, 2 unverified" in ended.output


WRONG = {
    "run=3": "has no argument 'run' [marker-unknown]; did you mean runs?",
    "3": "takes no arguments without names [marker-arguments]; name them: runs, seed, scope, level, vary",
    "runs=1": "runs: 1 is not possible [configuration-invalid]; give a whole number of at least 2",
    "level='layers'": "give one of auto, step, layer, op",
    "expect='reproducable'": "neither a verdict nor a cause [marker-invalid]; did you mean reproducible?",
    "vary={'threads': 2}": "fewer than two values [vary-single]; give a list of at least two",
    "vary=['threads']": "vary=['threads'] is no table of axes [vary-invalid]",
    "vary={'threads': [1, 'two']}": "threads cannot be 'two' [vary-value]; give whole numbers from 1 on",
    "vary={'cpu-capability': ['default', 'avx3']}": "cpu-capability cannot be 'avx3' [vary-value]",
    "vary={'thread': [1, 2]}": "no axis has the name 'thread' [vary-unknown]; did you mean threads?",
}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    tests = "\n\n".join(
        f"@pytest.mark.reproducible({arguments})\ndef test_{number}():\n    print('has run')"
        for number, arguments in enumerate(WRONG)
    )
    return session(files(tmp_path_factory.mktemp("wrong"), test_it=f"import pytest\n\n\n{tests}\n"))


@pytest.mark.parametrize(("number", "told"), list(enumerate(WRONG.values())), ids=list(WRONG))
def test_a_mark_that_cannot_be_is_an_error_before_the_test_runs(wrong, number, told):
    assert wrong.outcomes()[f"test_{number}"] == "ERROR"
    about = wrong.about(f"test_{number}")
    assert told in " ".join(about.split())
    assert f"test_it.py:{4 * number + 4}" in about
    assert "has run" not in wrong.output


def test_a_cause_that_is_expected_is_as_good_as_none():
    _judge(differing(cause="unseeded-numpy"), "unseeded-numpy")


def test_another_cause_than_the_expected_one_fails():
    with pytest.raises(pytest.fail.Exception, match="expected hash-seed, but it is not reproducible: unse"):
        _judge(differing(cause="unseeded-numpy"), "hash-seed")


def test_a_test_that_is_expected_to_differ_fails_where_it_does_not():
    with pytest.raises(pytest.fail.Exception, match="expected not-reproducible, but it is reproducible"):
        _judge(equal(), "not-reproducible")


def test_the_settings_of_a_mark_are_those_of_the_table():
    assert {"runs", "seed", "level"} <= set(Settings.__dataclass_fields__)
