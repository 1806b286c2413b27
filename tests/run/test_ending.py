"""A run that is stopped after the steps that were asked for ends, though its threads would go on."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

PROGRAM = """
import atexit
import threading
import time

import torch

running = True


def work():
    while running:
        time.sleep(0.001)


atexit.register(print, "tidied up")
threading.Thread(target=work{daemon}).start()
torch.manual_seed(0)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(6):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
running = False
print("came to its end")
"""


def recorded(folder, *options):
    command = [sys.executable, "-m", "detaudit", "record", "train.py", "-o", "run.trace", *options]
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    return done, time.monotonic() - began


@pytest.mark.parametrize("daemon", ["", ", daemon=True"])
def test_a_thread_that_never_ends_does_not_hold_up_a_run_that_was_stopped(tmp_path, daemon):
    (tmp_path / "train.py").write_text(PROGRAM.format(daemon=daemon))
    done, seconds = recorded(tmp_path, "--steps", "2")
    assert done.returncode == 0, done.stderr
    assert "tidied up" in done.stdout
    assert "came to its end" not in done.stdout
    assert seconds < 60


def test_a_run_that_is_not_stopped_ends_as_its_program_does(tmp_path):
    (tmp_path / "train.py").write_text(PROGRAM.format(daemon=""))
    done, _ = recorded(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["came to its end", "tidied up"]


CAUGHT = """
import sys

import torch

torch.manual_seed(0)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
try:
    for _ in range(6):
        optimizer.zero_grad()
        model(torch.ones(4, 2)).sum().backward()
        optimizer.step()
except SystemExit:
    print("the training was interrupted")
sys.exit({status})
"""


def test_a_program_that_takes_the_end_of_its_steps_for_a_failure_has_not_failed(tmp_path):
    (tmp_path / "train.py").write_text(CAUGHT.format(status=2))
    done, _ = recorded(tmp_path, "--steps", "2")
    assert "the training was interrupted" in done.stdout
    assert done.returncode == 0, done.stderr


def test_a_program_that_fails_by_itself_has_failed(tmp_path):
    (tmp_path / "train.py").write_text(CAUGHT.format(status=2))
    done, _ = recorded(tmp_path, "--steps", "20")
    assert "the training was interrupted" not in done.stdout
    assert done.returncode != 0
