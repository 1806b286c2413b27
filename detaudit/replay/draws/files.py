"""Keep the random numbers of one thread in a file: plain numbers, one draw after the other.

Each draw is a line of JSON, followed by the bytes of its tensors. The file of a program that was killed is
complete up to the last full draw.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import torch


@dataclass(frozen=True, slots=True)
class Drawn:
    """The random numbers of one operator call."""

    operator: str
    """The operator's name as in a trace, for a reader: `aten.bernoulli_.float`."""
    family: str
    parameters: tuple[float, ...]
    numbers: tuple[torch.Tensor, ...]
    """The numbers; kept ones lie in the memory of the host, in row-major order."""
    step: int = 0
    line: str = ""
    """File and line, for a reader."""

    @property
    def where(self) -> str:
        """The step and line of the draw, for a reader; empty if they are not known."""
        return f"step {self.step}, {self.line}" if self.line else ""

    @property
    def identity(self) -> tuple[object, ...]:
        """The properties that must be equal in two runs before one run's numbers can replace the other's."""
        return self.family, self.parameters, self.numbers[0].shape

    def __str__(self) -> str:
        shape = "x".join(map(str, self.numbers[0].shape)) or "1"
        given = f" ({', '.join(f'{one:g}' for one in self.parameters)})" if self.parameters else ""
        return f"{self.operator}{given} of {shape}"


class DrawFile:
    """A file for draws, written without a buffer: a process may end at any time without closing the file."""

    def __init__(self, path: str) -> None:
        """Create the file. Raises FileExistsError if the file exists already."""
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - open as long as its thread draws

    def append(self, drawn: Drawn) -> None:
        """Write one draw. Raises OSError if the disk is full."""
        head = {
            "operator": drawn.operator,
            "family": drawn.family,
            "parameters": drawn.parameters,
            "step": drawn.step,
            "line": drawn.line,
            "numbers": [[str(one.dtype).removeprefix("torch."), list(one.shape)] for one in drawn.numbers],
        }
        line = json.dumps(head).encode() + b"\n"
        self._write(line + b"".join(map(_to_bytes, drawn.numbers)))

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            # A write that is cut short is no error to the system.
            view = view[self._file.write(view) :]


def read_draws(path: str) -> Iterator[Drawn]:
    """Iterate over the draws in a file, in order. Raises ValueError where the file is damaged."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while line := file.readline():
            if not line.endswith(b"\n"):
                return
            try:
                head = json.loads(line)
                forms = [(_dtype(name), tuple(map(int, shape))) for name, shape in head["numbers"]]
                if file.tell() + sum(_size(dtype, shape) for dtype, shape in forms) > size:
                    return
                numbers = tuple(_from_file(file, dtype, shape) for dtype, shape in forms)
                parameters = tuple(map(_number, head["parameters"]))
                operator, family, at = (str(head[name]) for name in ("operator", "family", "line"))
                drawn = Drawn(operator, family, parameters, numbers, int(head["step"]), at)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                raise ValueError(f"{path} is damaged: {error}") from error
            yield drawn


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value


def _to_bytes(tensor: torch.Tensor) -> bytes:
    if tensor.dtype is torch.bool:
        return bytes(np.packbits(tensor.reshape(-1).numpy()))
    return bytes(tensor.reshape(-1).view(torch.uint8).numpy())


def _dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name)
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"{name} is no dtype")
    return dtype


def _size(dtype: torch.dtype, shape: tuple[int, ...]) -> int:
    if any(length < 0 for length in shape):
        raise ValueError(f"no tensor is of shape {shape}")
    count = math.prod(shape)
    return -(-count // 8) if dtype is torch.bool else count * dtype.itemsize


def _from_file(file: BinaryIO, dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    if not math.prod(shape):
        return torch.empty(shape, dtype=dtype)
    content = np.frombuffer(file.read(_size(dtype, shape)), np.uint8).copy()
    if dtype is torch.bool:
        bits = np.unpackbits(content, count=math.prod(shape))
        return torch.from_numpy(bits).bool().reshape(shape)
    return torch.from_numpy(content).view(dtype).reshape(shape)
