"""The kernels: compiled on a GPU where there is one, else interpreted."""

from __future__ import annotations

import importlib
import os
import sys

import pytest

from detaudit.digest import device as device_module
from detaudit.digest.device import DeviceDigester
from tests.digest.on_device import BLOCKS, DEVICE, ON_GPU


@pytest.fixture(scope="module")
def kernels():
    """The kernels' module; interpreted without a GPU, while Triton itself stays as others need it."""
    with pytest.MonkeyPatch.context() as patch:
        # Installed beside torch, Triton would be loaded by every program that makes an optimizer.
        if folder := os.environ.get("TRITON_FOR_TESTS"):
            patch.syspath_prepend(folder)
            importlib.import_module("triton")
        pytest.importorskip("triton", reason="the kernels are written in Triton")
        if not ON_GPU:
            patch.setenv("TRITON_INTERPRET", "1")
        from detaudit.digest import kernels as module
    yield module
    del sys.modules[module.__name__]
    del sys.modules["detaudit.digest"].kernels


@pytest.fixture(scope="module")
def digester(kernels):  # noqa: ARG001 - they have to be there
    return DeviceDigester(DEVICE, blocks_per_program=BLOCKS)


@pytest.fixture
def as_if_supported(monkeypatch, kernels):
    """Without a GPU, the interpreter on the host stands in for one."""
    monkeypatch.setattr(kernels, "BLOCKS_PER_PROGRAM", BLOCKS or kernels.BLOCKS_PER_PROGRAM)
    monkeypatch.setattr(device_module, "_lacking", lambda _: None)
    monkeypatch.setattr(device_module, "_checked", {})
    monkeypatch.setattr(device_module, "_digesters", {})
