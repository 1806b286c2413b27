"""Digests computed on the device that holds the values, equal to the host's bit for bit.

Only CUDA devices with Triton have kernels; `why_not` says what another device lacks. There, values are
copied to the host.
"""

from __future__ import annotations

import functools
import importlib.util
import os

import numpy as np
import torch

from detaudit.digest.algorithm import digest_bytes
from detaudit.digest.digester import CapturingError, DeviceDigest, DeviceDigester, stream_of

__all__ = ["CapturingError", "DeviceDigest", "DeviceDigester", "digester_for", "why_not"]

_KNOWN_SIZES = (1, 241, (1 << 20) + 13)
"""Bytes of the buffers that a device has to digest rightly before it is used."""


def digester_for(device: torch.device) -> DeviceDigester | None:
    """Return the digester of a device and its current stream; None where the device computes no digests.

    Raises CapturingError if it does not exist yet and a CUDA graph is being captured.
    """
    if why_not(device) is not None:
        return None
    device = _numbered(device)
    stream = stream_of(device)
    key = (os.getpid(), device, 0 if stream is None else stream.cuda_stream)
    if key not in _digesters:
        _digesters.setdefault(key, DeviceDigester(device))
    return _digesters[key]


def why_not(device: torch.device) -> str | None:
    """Explain why digests are not computed on a device; None where they are.

    The first use of a device compiles the kernels and compares digests of known buffers with the host's; it
    raises CapturingError while a CUDA graph is being captured.
    """
    lacking = _lacking(device.type)
    if lacking is not None:
        return lacking
    key = (os.getpid(), _numbered(device))
    if key not in _checked:
        _checked[key] = _failed_check(key[1])
    return _checked[key]


def note_copy(device: torch.device) -> None:
    """Note that values of a device were copied to the host, to be digested there."""
    _copied[str(device)] = why_not(device) or "values were copied to the host where its memory was full"


def used() -> dict[str, str]:
    """Say where the values of each device were digested so far in this process, or why not on the device."""
    here = {
        str(device): "computed on the device" for process, device, _ in _digesters if process == os.getpid()
    }
    return here | _copied


_copied: dict[str, str] = {}

# By process: a forked child can use neither its parent's streams nor what the parent found out.
_digesters: dict[tuple[int, torch.device, int], DeviceDigester] = {}
_checked: dict[tuple[int, torch.device], str | None] = {}


@functools.cache
def _lacking(kind: str) -> str | None:
    """Explain why no device of a kind has kernels here; None where it has."""
    if kind == "cpu":
        return "values on the host are digested there"
    if kind != "cuda":
        return f"there are no kernels for {kind}: values are copied to the host"
    if torch.version.hip is not None:
        return "there are no kernels for ROCm: values are copied to the host"
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed: values are copied to the host"
    return None


def _failed_check(device: torch.device) -> str | None:
    """Compare digests of known buffers, computed on a device, with the host's; say what is wrong, if any."""
    pattern = (np.arange(max(_KNOWN_SIZES), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(56)
    known = [(pattern[:size].astype(np.uint8), seed) for seed, size in enumerate(_KNOWN_SIZES, start=7)]
    try:
        digester = DeviceDigester(device)
        laters = digester.submit([(torch.from_numpy(values).to(device), seed) for values, seed in known])
        made = [later.resolve() for later in laters]
    except CapturingError:
        raise
    except Exception as error:  # noqa: BLE001 - compilers fail in many ways, and the host can always digest
        first_line = str(error).strip().partition("\n")[0]
        return f"the kernels do not run ({type(error).__name__}: {first_line}): values are copied to the host"
    if made != [digest_bytes(values.tobytes(), seed) for values, seed in known]:
        return "the kernels compute other digests than the host: values are copied to the host"
    return None


def _numbered(device: torch.device) -> torch.device:
    """Return the device with its number."""
    if device.type != "cuda" or device.index is not None:
        return device
    return torch.device("cuda", torch.cuda.current_device())
