"""The plugin in the company of other plugins, options and layouts.

What is shown is that a call is carried out in a fresh process, and ends well there. That takes no torch,
and so little time: a call that was carried out says that it trained nothing, another one something else.
"""

from __future__ import annotations

import sys

import pytest

from tests.plugin.sessions import PLUGIN, files, session, started

TESTS = """
    import os
    import random
    import sys

    import pytest

    DRAWN = random.random()


    def carried_out(runslow=None):
        here = [os.getcwd(), str(bool(sys.flags.safe_path)), str(runslow), str(random.random())]
        with open(os.environ["NOTES"], "a") as notes:
            print(*here, os.environ.get("PYTEST_XDIST_WORKER"), file=notes)


    @pytest.mark.parametrize("text", ["a@b x::y [z]"])
    @pytest.mark.xdist_group("one")
    def test_call(detaudit, text, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(Exception, match="call trains nothing|trains nothing:"):
            detaudit(carried_out)


    @pytest.mark.xdist_group("two")
    @pytest.mark.reproducible
    def test_marked():
        carried_out()
"""

CONFTEST = """
    import pytest


    def pytest_addoption(parser):
        parser.addoption("--runslow", action="store_true")
        parser.addoption("--device", default="none")


    def pytest_collection_modifyitems(config, items):
        assert config.getoption("device") == "cpu"
        assert config.getoption("runslow")
"""

XDIST = ("-p", "xdist.plugin")
COMPANY = {
    "xdist": [*XDIST, "-n2", "--dist=loadfile"],
    "xdist by groups": [*XDIST, "-n", "2", "--dist", "loadgroup"],
    "xdist at rest, randomly, rerunfailures, cov and timeout": [
        *XDIST, "-p", "pytest_randomly", "-p", "pytest_rerunfailures", "--reruns", "1",
        "-p", "pytest_timeout", "--timeout=200",
        "-p", "pytest_cov.plugin", "--cov", "--cov-report", "term", "--cov-append",
    ],
    "no terminal": ["-p", "no:terminal", "-p", "no:cacheprovider", "--junitxml", "out.xml"],
    "no capture": ["-s", "-vv", "-l", "--tb=short", "--color=yes", "--log-file", "out.log"],
    "a choice": ["--lf", "--nf", "--sw", "-x", "--maxfail", "9", "-k", "call or marked", "-m", "not slow"],
    "node ids": ["--basetemp", "temporary", "test_it.py::test_call", "test_it.py::test_marked"],
    "importlib": ["--import-mode=importlib", "--doctest-modules", "-W", "error", "--strict-markers"],
}  # fmt: skip


def notes(folder):
    return [line.split() for line in (folder / "notes").read_text().splitlines()]


@pytest.mark.parametrize("company", COMPANY)
def test_calls_and_tests_are_carried_out_in_a_session_with(tmp_path, company):
    ini = "markers =\n    slow\n    xdist_group\n"
    folder = files(tmp_path, test_it=TESTS)
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}")
    command = [sys.executable, "-m", "pytest", *PLUGIN, *COMPANY[company]]
    ended = started(command, folder, NOTES=str(folder / "notes"))
    told = ended.output + ended.text("out.xml")
    assert "test_it.py::test_marked trains nothing" in told, told
    assert "FAILED test_it.py::test_call" not in told
    assert ended.code in {1, 2}
    # One call of the session's own for the marked test, and one for each audit, which is no worker's.
    assert len(notes(folder)) >= 3
    assert {worker for *_, worker in notes(folder)} & {"None"}


def test_a_call_that_is_not_carried_out_says_something_else(tmp_path):
    folder = files(tmp_path, test_it=TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    xdist_group\n")
    conftest = "import os\nif os.environ.get('DETAUDIT_SESSION'):\n    raise ImportError('not here')\n"
    (folder / "conftest.py").write_text(conftest)
    ended = session(folder, NOTES=str(folder / "notes"))
    assert set(ended.outcomes().values()) == {"FAILED"}
    assert "trains nothing" not in ended.about("test_marked")


def test_options_of_the_users_own_and_another_root_are_passed_on(tmp_path):
    folder = files(tmp_path / "project" / "tests", test_it=TESTS, conftest=CONFTEST)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "other.ini").write_text("[pytest]\nmarkers = xdist_group\n")
    ended = session(
        folder, folder, "--rootdir", tmp_path / "project", "-c", tmp_path / "other.ini", "--runslow",
        "--device", "cpu", at=elsewhere, NOTES=str(folder / "notes"),
    )  # fmt: skip
    assert "tests/test_it.py::test_marked trains nothing" in ended.output
    # Fresh processes begin where the session did, wherever the test has gone meanwhile.
    assert [where for where, *_ in notes(folder) if "detaudit-tests" not in where] == [str(elsewhere)] * 2


@pytest.mark.parametrize("safe", [False, True])
def test_what_python_finds_first_is_the_same_in_fresh_processes(tmp_path, safe):
    files(tmp_path / "tests", test_it=TESTS)
    # What the command `pytest` does.
    pytest_itself = ["-P", "-c", "import pytest; pytest.console_main()"] if safe else ["-m", "pytest"]
    command = [sys.executable, *pytest_itself, *PLUGIN, "tests"]
    ended = started(command, tmp_path, NOTES=str(tmp_path / "notes"))
    assert "trains nothing" in ended.output
    # `python -m pytest` has the current folder on its path, `pytest` has not.
    assert {flag for _, flag, *_ in notes(tmp_path)} == {str(safe)}


def test_each_call_is_seeded_and_the_session_itself_is_not(tmp_path):
    folder = files(tmp_path, test_it=TESTS)
    session(folder, "-k", "call", NOTES=str(folder / "notes"))
    session(folder, "-k", "call", NOTES=str(folder / "notes"))
    first, second = (line[3] for line in notes(folder))
    assert first == second
