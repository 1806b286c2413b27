"""A session that asks for nothing of detaudit's: it is as if the plugin were not there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.plugin.sessions import files, session

# What a session is seen to be at its end; all that the plugin could have changed.
OBSERVER = """
    import gc, hashlib, json, os, random, signal, sys, threading, warnings
    from pathlib import Path


    def torch_state():
        torch = sys.modules.get("torch")
        if torch is None:
            return None
        module = torch.nn.modules.module
        return [
            torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled(), torch.get_num_threads(),
            str(torch.get_default_dtype()), str(torch.get_default_device()),
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark,
            torch.get_float32_matmul_precision(),
            hashlib.md5(torch.get_rng_state().numpy().tobytes()).hexdigest(),
            torch.autograd.backward.__module__, torch.autograd._engine_run_backward.__module__,
            torch.autograd._engine_run_backward.__qualname__, torch.nn.Module.__call__.__qualname__,
            [len(value or ()) for name, value in sorted(vars(module).items()) if name.startswith("_global_")],
        ]


    def named(hook):
        return getattr(getattr(hook, "func", hook), "__qualname__", None)


    def pytest_unconfigure(config):
        heavy = ("torch", "numpy", "detaudit", "pytest_detaudit", "xxhash", "sqlite3", "rich")
        seen = {
            "modules": sorted(
                name for name in sys.modules
                if name.partition(".")[0] in heavy and name not in ALLOWED
            ),
            "random": hashlib.md5(repr(random.getstate()).encode()).hexdigest(),
            "environment": sorted(os.environ.items()),
            "import finders": [repr(type(one)) for one in sys.meta_path],
            "hooks": [named(one) for one in (sys.excepthook, threading.excepthook, os._exit)],
            "signals": [str(signal.getsignal(one)) for one in (signal.SIGINT, signal.SIGTERM)],
            "collector": [gc.isenabled(), gc.get_threshold()],
            "threads": threading.active_count(),
            "folder": os.getcwd(),
            "torch": torch_state(),
        }
        Path(os.environ["SEEN"]).write_text(json.dumps(seen))


    import pytest

    ALLOWED = ("pytest_detaudit", "pytest_detaudit.plugin", "pytest_detaudit.session_results", "detaudit")


    def pytest_configure(config):
        random.seed(3)
"""

# A plugin that does all that ours must not.
MEDDLER = """
    import os, random, sys, threading, time
    from pathlib import Path


    def pytest_configure(config):
        import sqlite3

        sys.meta_path.append(sys.meta_path[-1])
        sys.excepthook = lambda *_: None
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        import gc

        gc.set_threshold(777)


    def pytest_sessionfinish():
        random.random()
        os.environ["MEDDLED"] = "1"
        Path("left").touch()
        os.chdir("/")
        threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
        if "torch" in sys.modules:
            sys.modules["torch"].set_grad_enabled(False)


    def pytest_terminal_summary(terminalreporter):
        terminalreporter.line("meddled")
"""

PLAIN = "def test_nothing(tmp_path):\n    assert tmp_path\n"
TORCH = """
    import torch

    def test_trains():
        torch.manual_seed(0)
        model = torch.nn.Linear(2, 1)
        model(torch.ones(1, 2)).sum().backward()
"""


def observed(folder, test, *arguments):
    files(folder, test_it=test, conftest=OBSERVER, meddler=MEDDLER)
    seen = folder.parent / f"{folder.name}.json"
    before = sorted(path.name for path in folder.rglob("*"))
    ended = session(
        folder, "-q", "-p", "no:cacheprovider", "--basetemp", folder.parent / f"t-{folder.name}", *arguments,
        SEEN=str(seen),
    )  # fmt: skip
    assert ended.code == 0, ended.output
    after = sorted(path.name for path in folder.rglob("*"))
    found = json.loads(seen.read_text())
    # How long it took, and which folder it was, differ anyway.
    found["environment"] = [pair for pair in found["environment"] if pair[0] not in {"SEEN", "PWD", "OLDPWD"}]
    found["folder"] = found["folder"].replace(str(folder), "here")
    return {
        **found,
        "files": [name for name in after if name not in before],
        "output": _timeless(ended.output),
    }


def _timeless(output):
    return "\n".join(line.partition(" in ")[0] for line in output.splitlines())


@pytest.fixture(scope="module")
def with_and_without(tmp_path_factory):
    top = tmp_path_factory.mktemp("inert")
    return {
        "with": observed(top / "with", PLAIN),
        "without": observed(top / "without", PLAIN, "-p", "no:pytest_detaudit.plugin"),
        "meddled": observed(top / "meddled", PLAIN, "-p", "meddler"),
    }


KEYS = (
    "modules", "random", "environment", "import finders", "hooks", "signals", "collector", "threads",
    "folder", "files", "output",
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_a_session_that_asks_for_nothing_is_the_same_with_the_plugin(with_and_without, key):
    assert with_and_without["with"][key] == with_and_without["without"][key]


@pytest.mark.parametrize("key", KEYS)
def test_a_plugin_that_meddles_is_seen(with_and_without, key):
    assert with_and_without["meddled"][key] != with_and_without["without"][key]


def test_a_session_that_asks_for_nothing_imports_nothing_heavy(with_and_without):
    assert with_and_without["with"]["modules"] == []


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    top = tmp_path_factory.mktemp("training")
    return {
        "with": observed(top / "with", TORCH),
        "without": observed(top / "without", TORCH, "-p", "no:pytest_detaudit.plugin"),
        "meddled": observed(top / "meddled", TORCH, "-p", "meddler"),
    }


@pytest.mark.parametrize("key", ["torch", "random", "import finders", "hooks", "files"])
def test_a_session_that_trains_but_asks_for_nothing_is_the_same_with_the_plugin(training, key):
    assert training["with"]["torch"]
    assert training["with"][key] == training["without"][key]


def test_a_plugin_that_changes_a_setting_of_torch_is_seen(training):
    assert training["meddled"]["torch"] != training["without"]["torch"]


IMPORT = """
import sys, time
import pytest, _pytest.terminal
before = set(sys.modules)
started = time.perf_counter()
import {module}
seconds = time.perf_counter() - started
print(seconds, *sorted(set(sys.modules) - before))
"""


def imported(module, folder, times):
    """The least seconds that importing a module takes after pytest, and what is imported with it."""
    command = [sys.executable, "-c", IMPORT.format(module=module)]
    done = [
        subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(times)
    ]
    return min(float(one[0]) for one in done), done[0][1:]


LIMIT_SECONDS = 0.005


def test_importing_the_plugin_takes_less_than_five_milliseconds_and_no_other_module():
    # The least of several: a machine that is busy makes it longer, and nothing makes it shorter.
    seconds, modules = imported("pytest_detaudit.plugin", None, 9)
    assert modules == ["pytest_detaudit", "pytest_detaudit.plugin", "pytest_detaudit.session_results"]
    assert seconds < LIMIT_SECONDS


def test_a_plugin_that_imports_more_is_over_the_limit(tmp_path):
    (tmp_path / "slow.py").write_text("import xml.dom.minidom, asyncio, sqlite3, numpy\n")
    seconds, modules = imported("slow", tmp_path, 2)
    assert "numpy" in modules
    assert seconds > LIMIT_SECONDS
