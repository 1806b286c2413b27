"""What a newcomer meets first: the top folder, the package's data, and the README's commands."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import detaudit

ROOT = Path(__file__).parents[1]
TOP = {"pyproject.toml", "detaudit", "pytest_detaudit", "tests", "README.md", "LICENSE"}
LEFT_BY_TOOLS = {"__pycache__", "build", "dist"}


def readme_command(name: str) -> str:
    text = (ROOT / "README.md").read_text()
    found = re.findall(rf"^<!-- ci: {name} -->\n```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return found[0].strip()


def test_the_top_folder_holds_only_what_belongs_there():
    names = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert names - LEFT_BY_TOOLS == TOP


def test_the_version_is_the_same_wherever_it_is_written():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == detaudit.__version__ == importlib.metadata.version("detaudit")


@pytest.mark.parametrize("package", ["detaudit", "pytest_detaudit"])
def test_both_packages_are_typed(package: str):
    assert (ROOT / package / "py.typed").exists()


@pytest.mark.parametrize("name", ["try", "test"])
def test_each_command_of_the_readme_is_one_line_and_installs_the_pinned_versions(name: str):
    command = readme_command(name)
    assert "\n" not in command
    assert command.startswith("pip install -r .ci/requirements.txt && ")


def test_every_requirement_is_pinned_and_torch_comes_first():
    lines = (ROOT / ".ci" / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins[0] == "torch==2.13.0"
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin) for pin in pins)


def test_ci_runs_the_commands_that_the_readme_shows():
    shown = {name: readme_command(name) for name in ("try", "test")}
    script = (ROOT / ".ci" / "run").read_text()
    extract = script[script.index("command_of() {") : script.index("folder=$(mktemp")]
    for name, command in shown.items():
        done = subprocess.run(
            ["bash", "-c", f"{extract}\ncommand_of {name}"],  # noqa: S607 - whichever bash CI has
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == command
