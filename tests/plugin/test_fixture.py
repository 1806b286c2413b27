"""The fixture `detaudit`: one session, looked at from many sides."""

from __future__ import annotations

import json

import pytest

from tests.plugin.sessions import files, session

TESTS = """
    import pytest

    from training import train


    def train_with(seed, lr, steps, seen):
        import torch

        assert torch.initial_seed() == seed
        train(lr, steps, seen=seen)


    @pytest.fixture(scope="module")
    def rate():
        return 0.5


    class TestForms:
        @pytest.mark.parametrize("steps", [3])
        def test_anything_callable(self, detaudit, rate, steps, tmp_path):
            seen = []
            called = lambda seed, lr: train_with(seed, lr, steps, seen)
            report = detaudit(called, 7, lr=rate, runs=3, seed=7, level="step")
            assert report.reproducible and report and report.verdict == "reproducible"
            assert not seen, "called in this process"


    def test_differs(detaudit):
        first = detaudit(train, noise=True, level="step")
        assert first.verdict == "not-reproducible" and not first and first.findings
        second = detaudit(train, lr=0.5, isolation="same", level="step")
        assert second.reproducible
        assert first.reproducible


    def test_trains_nothing(detaudit):
        with pytest.raises(Exception, match="trains nothing"):
            detaudit(lambda: None)
        detaudit(print, "nothing")


    def test_raises(detaudit):
        def fails():
            raise ValueError("no data")
        detaudit(fails)


    def test_wrong_values(detaudit):
        for wrong, told in (
            ({"isolation": "fork"}, "isolation='fork'"),
            ({"runs": 1}, "runs: 1 is not possible"),
            ({"level": "deep"}, "'deep' is not possible"),
            ({"seed": -1}, "seed: -1"),
        ):
            with pytest.raises(Exception, match=told):
                detaudit(train, **wrong)
        with pytest.raises(Exception, match="no axis has the name 'thread'.*did you mean threads"):
            detaudit.assert_same(train, vary={"thread": [1, 2]})
        detaudit.assert_same(train, vary={"threads": [1]})


    def test_set_order_under_hash_seeds(detaudit):
        detaudit.assert_same(train, order=True, vary={"hash-seed": [0, 1]}, level="step")


    def test_same_in_another_batch(detaudit):
        detaudit.assert_same("scaling.py", vary={"batch": [1, 2]})


    def test_no_model_file(detaudit):
        with pytest.raises(Exception, match="training.py is no model file"):
            detaudit.assert_same("training.py", vary={"batch": [1, 2]})
        detaudit.assert_same(train, vary={"dtype": ["float32", "float64"]})


    def test_same_process(detaudit):
        import torch
        model = torch.nn.Linear(3, 2)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        state = torch.get_rng_state()
        assert detaudit(train, model=model, isolation="same", runs=3)
        assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
        assert torch.equal(state, torch.get_rng_state())


    def test_left_behind(detaudit):
        import torch
        model = torch.nn.Linear(3, 2)
        assert detaudit(lambda: train(model=model), isolation="same", level="step")


    def test_same_process_raises(detaudit):
        import torch
        def fails():
            torch.set_grad_enabled(False)
            torch.manual_seed(99)
            torch.nn.Linear(1, 1)(torch.ones(1))
            raise ValueError("no data")
        state = torch.get_rng_state()
        with pytest.raises(ValueError, match="no data"):
            detaudit(fails, isolation="same")
        assert torch.is_grad_enabled() and torch.equal(state, torch.get_rng_state())


    def test_same_process_without_training(detaudit):
        detaudit(len, [], isolation="same")


    def test_cannot_be_copied(detaudit):
        detaudit(lambda generator: train(), (x for x in ()), isolation="same")
"""

SCALING = """
    import torch

    class Scaling(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(4))

        def forward(self, x):
            return x * self.weight


    def make_model():
        return Scaling()


    def make_batches():
        return [(torch.rand(4, 4), torch.rand(4, 4)) for _ in range(2)]
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    folder = files(tmp_path_factory.mktemp("fixture"), test_it=TESTS, scaling=SCALING)
    return session(folder, "--detaudit-report", "json:all.json")


def results(ended):
    return json.loads(ended.text("all.json"))["results"]


def of(ended, test):
    return [one for one in results(ended) if f"::{test}" in one["target"]["name"]]


def test_lambdas_fixtures_classes_and_parameters_are_audited(ended):
    assert ended.outcomes()["TestForms::test_anything_callable[3]"] == "PASSED"


def test_a_failed_assert_shows_the_lines_of_the_command_line(ended):
    told = ended.about("test_differs")
    assert "assert first.reproducible" in told
    assert "NOT REPRODUCIBLE" in told
    assert "training.py:18 in train" in told
    assert "model(x).square().mean().backward()" in told
    assert "first difference" in told


def test_a_failed_assert_shows_only_what_differs(ended):
    assert ended.about("test_differs").count("NOT REPRODUCIBLE") == 1


def test_each_call_in_a_test_is_an_audit_of_its_own(ended):
    first, second = of(ended, "test_differs")
    assert (first["verdict"], second["verdict"]) == ("not-reproducible", "reproducible")
    assert second["target"]["name"].endswith("call 2 of detaudit")


def test_what_a_call_asks_for_is_what_is_run(ended):
    (asked,) = of(ended, "test_anything_callable")
    assert (len(asked["runs"]), asked["compared"]["level"]) == (3, "step")


def test_a_call_that_trains_nothing_is_an_error_at_its_line(ended):
    told = ended.about("test_trains_nothing")
    assert '>       detaudit(print, "nothing")' in told
    assert "Unverified: unverified: " in told
    assert "trains nothing" in told


def test_a_function_that_raises_gives_no_answer_but_its_error(ended):
    told = ended.about("test_raises")
    assert ">       detaudit(fails)" in told
    assert "exit status 1" in told
    assert "ValueError: no data" in told


def test_what_is_not_possible_is_an_error_before_anything_runs(ended):
    assert "fewer than two values" in ended.about("test_wrong_values")


def test_a_training_in_set_order_is_not_the_same_under_all_hash_seeds(ended):
    told = ended.about("test_set_order_under_hash_seeds")
    assert "with hash-seed=1, other bits than with hash-seed=0" in " ".join(told.split())


def test_calls_in_the_same_process_leave_arguments_and_generators_as_they_were(ended):
    assert ended.outcomes()["test_same_process"] == "PASSED"


def test_what_a_call_leaves_behind_for_the_next_is_found_and_named(ended):
    assert "process-state" in ended.says("test_left_behind") + ended.about("test_left_behind")
    assert of(ended, "test_left_behind")[0]["findings"][0]["confirmed"]


def test_what_is_raised_in_the_same_process_goes_through_and_leaves_the_state_as_it_was(ended):
    assert ended.outcomes()["test_same_process_raises"] == "PASSED"


def test_a_call_in_the_same_process_that_trains_nothing_is_no_answer(ended):
    assert "trains nothing" in ended.about("test_same_process_without_training")


def test_arguments_that_cannot_be_copied_are_named(ended):
    assert "cannot be copied" in ended.about("test_cannot_be_copied")


def test_the_session_sums_up_its_audits(ended):
    assert "  test_it.py::test_differs: not reproducible: " in ended.output
    assert f"{len(results(ended))} audits: " in ended.output
    assert ended.code == 1


def test_a_model_file_is_held_against_itself_in_another_batch(ended):
    """`assert_same` takes the path of a model file, for axes that need a model."""
    assert ended.outcomes()["test_same_in_another_batch"] == "PASSED"
    (result,) = of(ended, "test_same_in_another_batch") or [
        one for one in results(ended) if "scaling.py" in one["target"]["name"]
    ]
    assert [one["axes"] for one in result["varied"]] == [["batch"]]


def test_what_is_no_model_file_is_said(ended):
    """A path that is none, and a function along an axis that needs a model, are refused with what to do."""
    told = ended.about("test_no_model_file")
    assert "dtype cannot vary for a test" in told
    assert "assert_same('model.py', vary=...)" in told
