"""Every ATen operator: digests of what it reads and gives, the module and line it belongs to.

A dispatch mode sees each operator of its thread, forward, backward and in the optimizer. While any
Python dispatch mode is on, a few backward formulas take another path (`prod`, `masked_fill`,
`linalg.eig`), so runs at this level are compared only with each other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._C._autograd import _get_sequence_nr
from torch.utils._python_dispatch import TorchDispatchMode
from xxhash import xxh3_128_digest

from detaudit.digest.tensor import UndigestableError, form_digest, is_fake, tensor_digest
from detaudit.model.trace import Kind, Phase
from detaudit.record.capture import capture_for
from detaudit.record.draws import Draws
from detaudit.record.recorder import Recorder
from detaudit.record.schema import OperatorPlan, make_plan
from detaudit.record.stream import StreamState
from detaudit.sources.taps import Taps
from detaudit.trace.layout import NO_SITE

_Owner = tuple[str, str | None, bytes]
"""Root label, module path, site."""

_NOBODY: _Owner = ("", None, NO_SITE)

_ACCUMULATE = 2**64 - 1
"""Sequence number of the nodes that add a gradient to its leaf."""


class Operators(TorchDispatchMode):
    """Records the operators of the steps in the window; elsewhere it only passes calls on."""

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """Leave compiled code compiled: torch would otherwise run it eagerly under a mode."""
        return True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise the first operator would import all of torch._dynamo.
        return False

    def __init__(self, recorder: Recorder, taps: Taps | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._recorder = recorder
        self._draws = None if taps is None else Draws(taps)
        self._capture = capture_for(recorder)
        self._plans: dict[Any, OperatorPlan] = {}
        self._owners: dict[tuple[int, int], _Owner] = {}
        """Who ran the forward operator of a graph node, by (stream, the node's sequence number)."""
        self._owners_step: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - torch's own signature
        """Call the operator; record it if its step is in the window."""
        kwargs = kwargs or {}
        if self._draws is None:
            return self._record_if_wanted(func, args, kwargs)
        with torch._C.DisableTorchFunction():
            self._draws.before(self._plan(func), args, kwargs)
        result = self._record_if_wanted(func, args, kwargs)
        with torch._C.DisableTorchFunction():
            self._draws.after(self._plan(func), args, kwargs, result)
        return result

    def _plan(self, func: Any) -> OperatorPlan:  # noqa: ANN401 - an operator overload
        plan = self._plans.get(func)
        if plan is None:
            plan = self._plans[func] = make_plan(func)
        return plan

    def _record_if_wanted(self, func: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - a call of any operator
        recorder = self._recorder
        # torch.compile takes `is_compiling()` as true and so sees a mode that does nothing.
        if torch.compiler.is_compiling() or not recorder.active or not recorder.in_window:
            return func(*args, **kwargs)
        plan = self._plan(func)
        if plan.skip:
            self._attribute()
            return func(*args, **kwargs)
        # A function mode of the program's own is not to see what is done here.
        with torch._C.DisableTorchFunction():
            owner, phase = self._attribute()
            inputs = self._digest_inputs(plan, args, kwargs)
            if self._capture is not None and inputs is not None:
                self._capture.before(plan, func, args, kwargs)
        result = func(*args, **kwargs)
        if inputs is not None:
            with torch._C.DisableTorchFunction():
                self._record(plan, owner, phase, inputs, (args, kwargs, result))
        return result

    def _record(self, plan: OperatorPlan, owner: _Owner, phase: Phase, inputs: bytes, call: Any) -> None:  # noqa: ANN401 - arguments and results
        args, kwargs, result = call
        recorder = self._recorder
        digests: list[bytes] = []
        try:
            if plan.results:
                results = result if isinstance(result, tuple | list) else (result,)
                for position, item in enumerate(results):
                    if position not in plan.left_out:
                        _digest_into(item, digests)
            for position, name in plan.written:
                _digest_into(args[position] if position < len(args) else kwargs.get(name), digests)
            outputs = xxh3_128_digest(b"".join(digests)) if digests else None
            stream = recorder.stream()
            root, module, site = owner
            recorder.add(stream, recorder.key(phase, Kind.OP, root, module, plan.name), outputs, inputs, site)
            if self._capture is not None:
                self._capture.recorded(plan)
        except UndigestableError as error:
            recorder.problem(f"not compared: {error}")
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            recorder.fail(error)

    def _digest_inputs(self, plan: OperatorPlan, args: Any, kwargs: Any) -> bytes | None:  # noqa: ANN401 - arguments of any operator
        digests: list[bytes] = []
        try:
            for position, name in plan.read:
                _digest_into(args[position] if position < len(args) else kwargs.get(name), digests)
            for position, name in plan.formed:
                _form_into(args[position] if position < len(args) else kwargs.get(name), digests)
            if plan.draws:
                generator = kwargs.get("generator") or torch.default_generator
                digests.append(tensor_digest(generator.get_state()))
        except UndigestableError as error:
            self._recorder.problem(f"not compared: {error}")
            return None
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            self._recorder.fail(error)
            return None
        return xxh3_128_digest(b"".join(digests))

    def _attribute(self) -> tuple[_Owner, Phase]:
        """Find the module and line of the operator that is about to run, and its phase.

        A node of the autograd graph is numbered before its forward operator is dispatched; in the
        backward pass the node under way has that number again.
        """
        stream = self._recorder.stream()
        if self._owners_step.get(stream.number) != stream.step:
            self._owners_step[stream.number] = stream.step
            self._owners = {key: owner for key, owner in self._owners.items() if key[0] != stream.number}
        node = torch._C._current_autograd_node()
        number = (stream.number, _get_sequence_nr() - 1)
        if node is None:
            owner = self._here(stream)
            self._owners.setdefault(number, owner)
            return owner, phase_of(stream)
        sequence = node._sequence_nr()
        owner = _NOBODY
        if sequence != _ACCUMULATE:
            owner = self._owners.get((stream.number, sequence), _NOBODY)
        if stream.calls or owner is _NOBODY:
            recomputed = self._here(stream)
            owner = recomputed if stream.calls or owner is _NOBODY else owner
        if torch.is_grad_enabled():
            self._owners.setdefault(number, owner)
        return owner, Phase.BACKWARD

    def _here(self, stream: StreamState) -> _Owner:
        site = self._recorder.sites.here()
        if not stream.calls:
            return ("", None, site)
        name = stream.calls[-1].name
        return (name.root, name.path, site)


def phase_of(stream: StreamState) -> Phase:
    """Where in the training a thread is."""
    if stream.in_optimizer and not stream.calls:
        return Phase.OPTIMIZER
    if stream.calls:
        return stream.calls[-1].phase
    if stream.backward_depth:
        return Phase.BACKWARD
    if not stream.roots_since_step:
        return Phase.DATA
    if stream.backwards_since_step:
        return Phase.OPTIMIZER
    return Phase.FORWARD if torch.is_grad_enabled() else Phase.EVAL


def _digest_into(item: Any, digests: list[bytes]) -> None:  # noqa: ANN401 - arguments of any operator
    if isinstance(item, torch.Tensor):
        digests.append(_NOTHING if is_fake(item) else tensor_digest(item))
    elif isinstance(item, list | tuple):
        digests.append(_scalar(len(item)))
        for inner in item:
            _digest_into(inner, digests)
    elif not isinstance(item, torch.Generator):
        digests.append(_scalar(item))


def _form_into(item: Any, digests: list[bytes]) -> None:  # noqa: ANN401 - a tensor or a list of them
    tensors = item if isinstance(item, list | tuple) else (item,)
    digests.append(_scalar(len(tensors)))
    digests.extend(form_digest(tensor) for tensor in tensors if isinstance(tensor, torch.Tensor))


_NOTHING = bytes(16)

_SCALARS = (
    bool,
    int,
    float,
    complex,
    str,
    type(None),
    torch.dtype,
    torch.device,
    torch.layout,
    torch.memory_format,
)


def _scalar(value: object) -> bytes:
    text = repr(value) if isinstance(value, _SCALARS) else type(value).__name__
    return xxh3_128_digest(text.encode())
