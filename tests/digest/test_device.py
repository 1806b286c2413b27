"""Which devices digests are computed on: only those that were seen to compute them rightly."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from detaudit.digest import device as device_module
from detaudit.digest.device import CapturingError, DeviceDigester, digester_for, why_not
from detaudit.record.environment import environment
from tests.digest.on_device import DEVICE, ON_GPU, content, digested, truth


@pytest.mark.usefixtures("as_if_supported")
def test_a_forked_process_has_digesters_of_its_own(monkeypatch, digester):
    monkeypatch.setattr(device_module, "_failed_check", lambda _: None)
    ours = digester_for(DEVICE)
    monkeypatch.setattr(os, "getpid", lambda: -1)

    with pytest.raises(RuntimeError, match="forked"):
        digester.submit([(content(5).to(DEVICE), 0)])
    assert digester_for(DEVICE) is not ours


@pytest.mark.usefixtures("as_if_supported")
def test_a_device_is_used_once_its_digests_agree():
    assert why_not(DEVICE) is None
    assert digester_for(DEVICE) is digester_for(DEVICE)
    assert digested(digester_for(DEVICE), [(content(10), 3)]) == [truth(content(10), 3)]


@pytest.mark.usefixtures("as_if_supported")
def test_a_device_that_computes_wrongly_is_not_used(monkeypatch, kernels):
    wrong = [*kernels.CONSTANTS[:-1], kernels.CONSTANTS[-1] ^ 1]
    monkeypatch.setattr(kernels, "CONSTANTS", wrong)

    assert digester_for(DEVICE) is None
    assert "other digests than the host" in why_not(DEVICE)


@pytest.mark.usefixtures("as_if_supported")
def test_a_device_whose_kernels_do_not_compile_is_not_used(monkeypatch, kernels):
    monkeypatch.setattr(kernels, "finish", None)

    assert digester_for(DEVICE) is None
    assert "do not run (TypeError: " in why_not(DEVICE)


@pytest.mark.usefixtures("as_if_supported")
def test_interpreted_kernels_are_for_the_host_only(monkeypatch, kernels):
    """TRITON_INTERPRET in a user's environment: the interpreter would read device addresses as its own."""
    monkeypatch.setattr(kernels, "INTERPRETED", True)

    with pytest.raises(RuntimeError, match="TRITON_INTERPRET"):
        DeviceDigester(torch.device("xpu"))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("cpu", "on the host"), ("mps", "no kernels for mps"), ("xpu", "no kernels for xpu")],
)
def test_other_devices_say_why_not(kind, reason):
    assert reason in why_not(torch.device(kind))
    assert digester_for(torch.device(kind)) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda patch: patch.setattr(torch.version, "hip", "6.4"), "ROCm", id="ROCm"),
        pytest.param(
            lambda patch: patch.setattr(device_module.importlib.util, "find_spec", lambda _: None),
            "Triton is not installed",
            id="no Triton",
        ),
    ],
)
def test_a_cuda_device_without_kernels_says_why_not(monkeypatch, change, reason):
    device_module._lacking.cache_clear()
    change(monkeypatch)

    assert reason in why_not(torch.device("cuda", 0))
    monkeypatch.undo()
    device_module._lacking.cache_clear()


def test_triton_is_loaded_only_where_it_is_used():
    """A program on the host does not pay for it."""
    program = "import sys, detaudit.digest.device; sys.exit('triton' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.skipif(not ON_GPU, reason="streams and graphs are a GPU's")
@pytest.mark.usefixtures("kernels")
def test_streams_have_digesters_of_their_own_and_captures_none():
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    ours = digester_for(DEVICE)
    with torch.cuda.stream(stream):
        values = torch.zeros(1 << 26, dtype=torch.uint8, device=DEVICE)
        for number in range(20):
            values.fill_(number)
        other = digester_for(DEVICE)
        (later,) = other.submit([(values, 1)])
        values.fill_(77)
    assert other is not ours
    assert later.resolve() == truth(torch.full((1 << 26,), 19, dtype=torch.uint8), 1)

    with torch.cuda.graph(graph), pytest.raises(CapturingError):
        digester_for(DEVICE).submit([(values, 1)])


def test_where_values_were_digested_is_said(monkeypatch):
    """By device: there, or on the host, and why."""
    monkeypatch.setattr(device_module, "_copied", {})
    monkeypatch.setattr(device_module, "_digesters", {(os.getpid(), torch.device("cuda", 0), 0): None})
    device_module.note_copy(torch.device("mps"))

    assert environment()["digests"] == {
        "cuda:0": "computed on the device",
        "mps": "there are no kernels for mps: values are copied to the host",
    }
