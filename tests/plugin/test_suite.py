"""`pytest --detaudit`: every test that trains, unmodified."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.plugin.sessions import files, session

TESTS = """
    import os

    import pytest

    from training import train

    stack = [0.0]


    @pytest.fixture
    def trained():
        import torch

        torch.manual_seed(1)
        return train()


    def seeded(**options):
        import torch

        torch.manual_seed(0)
        return train(**options)


    def test_clean():
        seeded()


    def test_clean_with_optimizer():
        import torch

        model = seeded()
        model(torch.ones(1, 3)).sum().backward()
        torch.optim.SGD(model.parameters()).step()


    def test_trained_by_a_fixture(trained):
        assert trained


    def test_noisy():
        seeded(noise=True)


    def test_arithmetic():
        assert 1 + 1 == 2


    def test_only_infers():
        import torch

        with torch.no_grad():
            torch.nn.Linear(1, 1)(torch.rand(1, 1))


    def test_fails():
        train(noise=True)
        assert False


    @pytest.mark.skip
    def test_skipped():
        train(noise=True)


    @pytest.mark.xfail
    def test_expected_to_fail():
        train(noise=True)
        assert False


    def test_leaves_noise():
        stack[0] = float(int.from_bytes(os.urandom(4)))
        seeded()


    def test_depends_on_the_one_before():
        import torch

        torch.manual_seed(0)
        train(lr=stack[0])


    def test_passes_once():
        from pathlib import Path

        seeded()
        mark = Path(__file__).with_name("ran")
        assert not mark.exists(), "ran before"
        mark.touch()
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    folder = files(tmp_path_factory.mktemp("suite"), test_it=TESTS)
    return session(
        folder, "--detaudit", "--detaudit-level", "step", "--junitxml", "out.xml",
        "--detaudit-report", "markdown:new.md,sarif:new.sarif",
    )  # fmt: skip


def test_tests_that_train_are_audited_and_no_others(ended):
    assert "detaudit: run 1 of 2 of 7 tests that train, level step" in ended.output
    assert "7 audits: 4 reproducible, 2 not reproducible, 1 unverified" in ended.output


def test_a_test_that_is_not_reproducible_is_listed_with_its_line_and_fails_the_session(ended):
    told = ended.about("test_noisy [detaudit]")
    assert "NOT REPRODUCIBLE" in told
    assert "training.py:18" in told
    assert "  test_it.py::test_noisy: not reproducible: " in ended.output
    assert ended.code == 1


def test_a_test_that_differs_because_of_those_before_it_is_told_so(ended):
    told = " ".join(ended.about("test_depends_on_the_one_before [detaudit]").split())
    assert "by itself in a fresh process, the test gives equal runs" in told


def test_a_test_without_an_answer_is_an_error(ended):
    told = ended.about("test_passes_once [detaudit]")
    assert "UNVERIFIED" in told
    assert "ran before" in told
    assert "ERROR test_it.py::test_passes_once [detaudit]" in ended.output


def test_what_the_session_itself_said_of_a_test_stays(ended):
    assert ended.outcomes()["test_noisy"] == "PASSED"
    assert ended.outcomes()["test_fails"] == "FAILED"


def test_the_xml_report_has_what_was_found(ended):
    cases = {case.get("name"): case for case in ET.fromstring(ended.text("out.xml")).iter("testcase")}  # noqa: S314 - ours
    assert "training.py:18" in cases["test_noisy [detaudit]"].find("failure").text
    assert cases["test_passes_once [detaudit]"].find("error") is not None
    assert cases["test_noisy"].find("failure") is None
    assert "test_clean [detaudit]" not in cases


def test_reports_are_written_where_they_were_asked_for(ended):
    assert "test_noisy" in ended.text("new.md")
    assert "test_noisy" in ended.text("new.sarif")


CLEAN = """
    import torch

    from training import train

    def test_clean():
        torch.manual_seed(0)
        train()
"""


def test_a_suite_that_is_reproducible_passes(tmp_path):
    ended = session(files(tmp_path, test_it=CLEAN), "--detaudit")
    assert ended.code == 0, ended.output
    assert "1 audit: 1 reproducible" in ended.output


def test_a_suite_that_trains_nothing_is_only_run(tmp_path):
    ended = session(files(tmp_path, test_it="def test_plain():\n    pass\n"), "--detaudit")
    assert ended.code == 0
    assert "detaudit: run" not in ended.output


ASKED = """
    import importlib.util

    import pytest

    if importlib.util.find_spec("torch") is None:
        pytest.skip("install torch", allow_module_level=True)

    from training import train

    def test_unseeded():
        train()
"""


def test_a_suite_that_asks_for_torch_before_it_is_imported_is_audited(tmp_path):
    ended = session(files(tmp_path, test_it=ASKED), "--detaudit")
    assert ended.code == 1, ended.output
    assert "1 audit: 1 not reproducible" in ended.output


PAST_THE_IMPORT_SYSTEM = """
    import importlib.util
    import sys
    from pathlib import Path

    folder = next(Path(path, "torch") for path in sys.path if Path(path, "torch", "__init__.py").exists())
    spec = importlib.util.spec_from_file_location(
        "torch", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules["torch"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["torch"])

    from training import train

    def test_unseeded():
        train()
"""


def test_a_suite_of_which_it_was_not_seen_what_trains_is_an_error(tmp_path):
    ended = session(files(tmp_path, test_it=PAST_THE_IMPORT_SYSTEM), "--detaudit")
    assert ended.code == 1, ended.output
    assert "1 audit: 1 unverified" in ended.output
    assert "detaudit did not see which tests train" in " ".join(ended.output.split())
