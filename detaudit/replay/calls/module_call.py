"""Describe one call of a module with copies of all that it reads and makes, and the state around it."""

from __future__ import annotations

import contextlib
import io
import random
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from detaudit.record.names import uncompiled
from detaudit.record.recorder import Recorder
from detaudit.replay.wire.layers import Identity
from detaudit.torch_private.modes import without_modes
from detaudit.torch_private.modules import GLOBAL_HOOKS
from detaudit.torch_private.tensors import TreeSpec

PLAIN = (bool, int, float, complex, str, type(None))

_DEVICES = ("cpu", "cuda", "xpu", "mps")


@dataclass(slots=True)
class ModuleCall:
    """One module call, with copies of all that it reads and makes."""

    module: nn.Module
    identity: Identity
    parent: int | None
    """Number of the call inside which this call was made."""
    state: State
    leaves: list[Any]
    """The arguments of the call, without the containers around them; tensors are copies."""
    spec: TreeSpec
    """The containers of the arguments."""
    differentiable: tuple[int, ...]
    """Positions of the arguments that have gradients."""
    parameters: dict[str, torch.Tensor]
    buffers: dict[str, torch.Tensor]
    outputs: list[Any] = field(default_factory=list)
    gradients: dict[int, torch.Tensor] = field(default_factory=dict)
    """Gradients that arrived at the outputs, by position."""
    of_inputs: dict[int, torch.Tensor] = field(default_factory=dict)
    """Gradients of the inputs in the run, summed over all that reads the inputs; by position."""
    of_parameters: dict[str, torch.Tensor] = field(default_factory=dict)
    """Gradients of the module's own parameters, as the optimizer finds them."""
    ended: bool = False

    @property
    def kind(self) -> str:
        """Class name of the module, whether it is compiled or not."""
        return type(uncompiled(self.module)).__name__

    @property
    def tensors(self) -> Iterator[torch.Tensor]:
        """All real and complex tensors that take part in the call."""
        for value in (*self.leaves, *self.parameters.values(), *self.outputs):
            if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex()):
                yield value


@dataclass(frozen=True, slots=True)
class State:
    """The random generators, modes and settings at the start of a module call."""

    training: tuple[bool, ...]
    """For the module and each module in it, whether it is in training mode."""
    gradients: bool
    autocast: tuple[tuple[str, torch.dtype], ...]
    """The kinds of device for which autocast is on, each with its dtype."""
    generators: dict[str, torch.Tensor]
    python: Any
    numpy: Any

    @classmethod
    def now(cls, module: nn.Module) -> State:
        """Return the present state."""
        autocast = tuple(
            (kind, torch.get_autocast_dtype(kind)) for kind in _DEVICES if torch.is_autocast_enabled(kind)
        )
        training = tuple(part.training for part in _parts(module))
        return cls(training, torch.is_grad_enabled(), autocast, *_random_states())

    @property
    def drew(self) -> bool:
        """Whether random numbers were drawn since: a generator has another state now."""
        generators, python, numpy = _random_states()
        # Those that there were: a library that was loaded since has drawn nothing for this call.
        known = {name: generators[name] for name in self.generators}
        now = _comparable(known, python, None if self.numpy is None else numpy)
        return now != _comparable(self.generators, self.python, self.numpy)

    def to_plain(self) -> dict[str, object]:
        """Return the state as plain data and tensors."""
        numpy = self.numpy
        return {
            "training": list(self.training),
            "gradients": self.gradients,
            "autocast": [[kind, dtype] for kind, dtype in self.autocast],
            "generators": self.generators,
            "python": [self.python[0], list(self.python[1]), self.python[2]],
            "numpy": None if numpy is None else [numpy[0], numpy[1].tolist(), *numpy[2:]],
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> State:
        """Read a state from the result of `to_plain`."""
        version, words, gauss = plain["python"]
        return cls(
            tuple(plain["training"]),
            plain["gradients"],
            tuple((kind, dtype) for kind, dtype in plain["autocast"]),
            plain["generators"],
            (version, tuple(words), gauss),
            None if plain["numpy"] is None else tuple(plain["numpy"]),
        )

    @contextlib.contextmanager
    def entered(self, module: nn.Module) -> Iterator[None]:
        """Restore this state for the code of the block."""
        for part, training in zip(_parts(module), self.training, strict=False):
            part.training = training
        _set_random_states(self.generators, self.python, self.numpy)
        with contextlib.ExitStack() as stack:
            # Unlike the settings around it, which may be those of the optimizer's step.
            stack.enter_context(torch.inference_mode(mode=False))
            stack.enter_context(torch.set_grad_enabled(self.gradients))
            wanted = dict(self.autocast)
            for kind in _DEVICES:
                if kind in wanted or torch.is_autocast_enabled(kind):
                    dtype = wanted.get(kind)
                    stack.enter_context(
                        torch.autocast(kind, dtype, enabled=kind in wanted, cache_enabled=False)
                    )
            yield


def random_states() -> tuple[object, ...]:
    """Return the states of all random generators, for comparison with the states at another time."""
    return _comparable(*_random_states())


def _comparable(generators: dict[str, torch.Tensor], python: Any, numpy: Any) -> tuple[object, ...]:
    words = () if numpy is None else (numpy[1].tobytes(), *numpy[2:])
    return {name: state.numpy().tobytes() for name, state in generators.items()}, python, words


@contextlib.contextmanager
def unobserved(recorder: Recorder) -> Iterator[None]:
    """Run code of the program unobserved: no hook, no output, no change of random generators."""
    generators = _random_states()
    default, active = torch.get_default_dtype(), recorder.active
    kept = [dict(one) for one in GLOBAL_HOOKS]
    recorder.active = False
    for one in GLOBAL_HOOKS:
        one.clear()
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
            without_modes(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, before in zip(GLOBAL_HOOKS, kept, strict=True):
            one.clear()
            one.update(before)
        torch.set_default_dtype(default)
        recorder.active = active
        _set_random_states(*generators)


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    """Iterate over the module and all modules in it, without the wrappers that torch.compile makes."""
    return (part for part in module.modules() if uncompiled(part) is part)


def _random_states() -> tuple[dict[str, torch.Tensor], Any, Any]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():
        states |= {f"cuda:{at}": state for at, state in enumerate(torch.cuda.get_rng_state_all())}
    numpy = sys.modules.get("numpy.random")
    return states, random.getstate(), None if numpy is None else numpy.get_state()


def _set_random_states(generators: dict[str, torch.Tensor], python: Any, numpy: Any) -> None:
    torch.set_rng_state(generators["cpu"])
    for device, state in generators.items():
        if device != "cpu" and torch.cuda.is_initialized():
            torch.cuda.set_rng_state(state, device)
    random.setstate(python)
    if numpy is not None and "numpy.random" in sys.modules:
        sys.modules["numpy.random"].set_state(numpy)
