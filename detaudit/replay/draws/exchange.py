"""Exchange random numbers through a folder, a file for each thread; make dropout show its mask for that."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules import rnn
from xxhash import xxh3_64_hexdigest

from detaudit.model.plan import Exchange, Part
from detaudit.model.trace import StreamRole
from detaudit.record.recorder import Recorder
from detaudit.record.stream import StreamState
from detaudit.replay.draws.common import CommonDraws, DrawSide, Keeping, Taking, is_apart
from detaudit.replay.draws.files import DrawFile, Drawn, read_draws
from detaudit.replay.draws.forms import MismatchError
from detaudit.replay.wire.files import NAMED
from detaudit.torch_private.backends import without_cudnn
from detaudit.torch_private.modes import without_function_modes

_ATTENTION_ARGUMENTS = ("query", "key", "value", "attn_mask", "dropout_p")
_ATTENTION = "attention with dropout runs unfused (SDPBackend.MATH), so that its mask can be the same"
_RNN = "recurrent layers with dropout run without cuDNN, so that their masks can be the same"


def exchange_draws(recorder: Recorder, exchange: Exchange) -> None:
    """Have the random numbers of every thread exchanged, by a mode that the recorder enters."""
    sides = _Sides(recorder, exchange)
    use_unfused_dropout(recorder)
    recorder.listeners.on_close.append(sides.finish)
    recorder.scope.on_end(sides.finish)
    recorder.listeners.modes.append(CommonDraws(sides.here))


class _Sides:
    """The threads of this process, and for each the side that keeps or takes its numbers."""

    def __init__(self, recorder: Recorder, exchange: Exchange) -> None:
        self._recorder = recorder
        self._exchange = exchange
        self._sides: dict[StreamState, DrawSide] = {}

    def here(self) -> DrawSide | None:
        """Return the side of the calling thread; None if it must not exchange numbers now."""
        if not self._recorder.active or is_apart():
            return None
        try:
            with without_function_modes():
                return self._side()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            self._recorder.problem(f"random numbers could not be exchanged: {type(error).__name__}: {error}")
            return None

    def _side(self) -> DrawSide:
        recorder = self._recorder
        stream = recorder.known_stream() or recorder.stream()
        side = self._sides.get(stream)
        if side is None:
            side = self._sides[stream] = self._open(stream)
        return side

    def finish(self) -> None:
        """Report it if the main thread drew less than the main thread of the other run."""
        # Only the main thread has a known end; other threads and processes may stop early.
        for stream, side in self._sides.items():
            if isinstance(side, Taking) and self._recorder.session.is_main and not stream.is_side:
                # The other run may have been given more steps.
                side.finish(self._recorder.session.steps)

    def _open(self, stream: StreamState) -> DrawSide:
        def where() -> tuple[int, str]:
            return stream.step, self._line()

        name = self._name(stream)
        folder = str(self._exchange.folder)
        if self._exchange.part is Part.KEEPS:
            with contextlib.suppress(FileExistsError):
                os.makedirs(folder)
            file = _first_free(folder, name)
            return Keeping(file.append, where, self._recorder.problem)
        kept = _kept(folder, name, self._recorder.session.folder)
        # How far a loader's workers run ahead depends on timing; a batch that is used is compared itself.
        ahead = self._recorder.process.role is StreamRole.LOADER_WORKER
        return Taking(kept, where, self._recorder.problem, may_run_ahead=ahead)

    def _name(self, stream: StreamState) -> str:
        """Return the thread's name, which is equal in both runs, in a form for file names."""
        return xxh3_64_hexdigest(f"{self._recorder.process.name}\0{stream.label}".encode())

    def _line(self) -> str:
        sites = self._recorder.sites
        site = sites.known(sites.here())
        return "an unknown line" if site is None else f"{site.file}:{site.line}"


def _first_free(folder: str, name: str) -> DrawFile:
    """Create a new file; a further process of the same name gets the next number, in order of start."""
    for number in itertools.count(1):
        with contextlib.suppress(FileExistsError):
            return DrawFile(_path(folder, name, number))
    raise AssertionError


def _kept(folder: str, name: str, own: str) -> Iterator[Drawn]:
    """Read the draws of the first file of that name that no other process of this run has taken.

    Raises MismatchError if there is none.
    """
    for number in itertools.count(1):
        path = _path(folder, name, number)
        if not os.path.exists(path):
            raise MismatchError("the other run drew nothing in a thread of this name")
        try:
            os.close(os.open(os.path.join(own, f"{name}-{number}.taken"), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        yield from read_draws(path)
        return


def _path(folder: str, name: str, number: int) -> str:
    return os.path.join(folder, f"{name}-{number}.draws")


def use_unfused_dropout(recorder: Recorder) -> None:
    """Have dropout on a GPU drawn by separate operators; a build for the CPU always does so."""
    if torch.backends.cuda.is_built():
        say = _Named(os.path.join(recorder.session.folder, NAMED))
        attend = functional.scaled_dot_product_attention
        recorder.scope.replace(functional, "scaled_dot_product_attention", unfused_attention(attend, say))
        for kind in (rnn.RNN, rnn.LSTM, rnn.GRU):
            recorder.scope.replace(kind, "forward", unfused_recurrence(kind.forward, say))


class _Named:
    """Writes each setting to a file, once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(text + "\n")


def unfused_attention(attend: Callable[..., Any], say: Callable[[str], None]) -> Callable[..., Any]:
    """Wrap scaled dot-product attention, so that attention with dropout on a GPU takes the unfused path."""

    @functools.wraps(attend)
    def attention(*args: Any, **kwargs: Any) -> Any:
        given = dict(zip(_ATTENTION_ARGUMENTS, args, strict=False)) | kwargs
        on_cpu = isinstance(given.get("query"), torch.Tensor) and given["query"].device.type == "cpu"
        if torch.compiler.is_compiling() or on_cpu or not given.get("dropout_p"):
            return attend(*args, **kwargs)
        from torch.nn.attention import SDPBackend, sdpa_kernel

        say(_ATTENTION)
        with sdpa_kernel(SDPBackend.MATH):
            return attend(*args, **kwargs)

    return attention


def unfused_recurrence(forward: Callable[..., Any], say: Callable[[str], None]) -> Callable[..., Any]:
    """Wrap a recurrent module's forward method, so that dropout on a GPU runs without cuDNN."""

    @functools.wraps(forward)
    def recurrence(module: nn.RNNBase, *args: Any, **kwargs: Any) -> Any:
        drops = module.training and module.dropout and module.num_layers > 1
        if torch.compiler.is_compiling() or not drops or next(module.parameters()).device.type == "cpu":
            return forward(module, *args, **kwargs)
        say(_RNN)
        with without_cudnn():
            return forward(module, *args, **kwargs)

    return recurrence
