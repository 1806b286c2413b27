"""Run dropout where its mask can be seen: outside of a GPU's fused kernels for attention and LSTMs."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules import rnn

from detaudit.record.recorder import Recorder
from detaudit.replay.wire.files import NAMED
from detaudit.torch_private.backends import without_cudnn

_ATTENTION_ARGUMENTS = ("query", "key", "value", "attn_mask", "dropout_p")
_ATTENTION = "attention with dropout runs unfused (SDPBackend.MATH), so that its mask can be the same"
_RNN = "recurrent layers with dropout run without cuDNN, so that their masks can be the same"


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
