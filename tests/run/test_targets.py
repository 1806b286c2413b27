"""Every form of target, run for real."""

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
    import torch
    def train(scale=1.0, seed=None):
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
        torch.seed()
        train()
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
        (["model.py"], 0),
        (["model.py:make_model", "--seed", "7", "--steps", "2"], 0),
        (["lib.py:train"], 0),
        (["lib:train", "--level", "step"], 0),
        (["lib:unseeded", "--level", "layer"], 1),
        (["lib:fails"], 2),
        (["lib:absent"], 2),
        (["-m", "package", "--", "--x", "1"], 0),
        (["package", "--jobs", "2", "--", "--x", "1"], 2),
    ],
)
@pytest.mark.usefixtures("place")
def test_forms(arguments, code, capsys):
    """Model files, callables by file and by module, `-m`, and folders run, and are judged by what they do."""
    assert main(["check", *arguments]) == code, capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_a_model_file_takes_the_steps_it_is_told(tmp_path):
    """With `--steps 2`, a model file with three batches takes two steps."""
    trace = tmp_path / "two.trace"
    assert main(["record", "model.py", "--steps", "2", "-o", str(trace)]) == 0

    from detaudit.trace.reader import TraceReader

    with TraceReader(trace) as reader:
        assert reader.steps_completed(1) == 2


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
