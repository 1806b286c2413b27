"""Every form of target, run for real."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import detaudit
from detaudit.cli.main import main
from detaudit.errors import TargetError

# No optimizer: importing what torch.optim needs would double the time of each process.
TRAIN = """
    def train(scale=1.0, seed=None):
        import torch
        if seed is not None:
            torch.manual_seed(seed)
        net = torch.nn.Linear(3, 1)
        for _ in range(3):
            loss = (scale * net(torch.randn(4, 3))).pow(2).mean()
            net.zero_grad(); loss.backward()
            with torch.no_grad(): [p.sub_(p.grad, alpha=0.1) for p in net.parameters()]
    def fails():
        train()
        raise ValueError("no")
    def unseeded():
        import torch
        train(seed=torch.seed())
"""

MODEL_FILE = """
    import torch
    def make_model():
        return torch.nn.Linear(3, 2)
    def make_batches():
        return [(torch.randn(4, 3), torch.tensor([0, 1, 1, 0])) for _ in range(3)]
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with programs, as the current one."""
    for name, source in {"lib.py": TRAIN, "model.py": MODEL_FILE}.items():
        (tmp_path / name).write_text(textwrap.dedent(source))
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    main_source = "import sys\nfrom lib import train\nassert sys.argv[1:] == ['--x', '1']\ntrain(seed=1)\n"
    (package / "__main__.py").write_text(main_source)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["lib:train", "--level", "step"], 0),
        (["lib.py:unseeded", "--level", "layer"], 1),
        (["lib:fails"], 2),
        (["lib:absent"], 2),
        (["-m", "package", "--", "--x", "1"], 0),
        (["package", "--jobs", "2", "--", "--x", "1"], 2),
    ],
)
@pytest.mark.usefixtures("place")
def test_forms(arguments, code, capsys):
    """Callables by file and by module, `-m`, and folders run, and are judged by what they do."""
    assert main(["check", *arguments]) == code, capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_a_model_file_is_driven_and_takes_the_steps_it_is_told(capsys):
    """With `--steps 2`, a model file with three batches takes two steps, and is judged by them."""
    code = main(["check", "model.py:make_model", "--seed", "7", "--steps", "2", "--json", "-"])
    result = json.loads(capsys.readouterr().out)

    assert (code, result["verdict"]) == (0, "reproducible")
    assert [run["steps"] for run in result["runs"]] == [2, 2]


def test_from_python(place, monkeypatch):
    """`detaudit.check` runs a function in fresh processes with its arguments and gives the result."""
    monkeypatch.syspath_prepend(str(place))
    import lib

    result = detaudit.check(lib.train, 0.5, seed=3, level="layer")

    assert result.reproducible
    assert [run.steps for run in result.runs] == [3, 3]


def test_from_python_a_closure_is_refused():
    """A function that a fresh process cannot find is an error that says what to do."""
    with pytest.raises(TargetError, match="fresh process"):
        detaudit.check(lambda: None)


def test_from_python_a_function_of_the_script_itself(place):
    """A function defined in the very script that calls `check` is found, and its guard is respected."""
    script = place / "own.py"
    body = textwrap.dedent(TRAIN).replace("def fails", "def unused") + textwrap.dedent("""
    if __name__ == "__main__":
        import detaudit
        print(detaudit.check(train, level="layer").verdict.value)
    """)
    script.write_text(body)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=120
    )

    assert done.stdout == "reproducible\n"


@pytest.mark.usefixtures("place")
def test_a_script_that_trains_nothing_says_what_was_looked_for(capsys):
    """No module call, no backward pass, no optimizer step: unverified, with what was looked for."""
    Path("nothing.py").write_text("import torch\nprint(torch.ones(2))\n")

    assert main(["check", "nothing.py"]) == 2
    assert "trains nothing" in " ".join(capsys.readouterr().out.split())
