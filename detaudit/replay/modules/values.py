"""Keep the values of one step in one run, layer by layer, or compare another run's values with them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from typing import Any

from torch import nn

from detaudit.model.codec import to_plain
from detaudit.model.plan import Exchange, Part
from detaudit.model.trace import Site
from detaudit.record.names import Names
from detaudit.record.recorder import Recorder
from detaudit.record.sites import Sites
from detaudit.record.stream import StreamState
from detaudit.replay.calls.keep import LayerCalls
from detaudit.replay.calls.module_call import ModuleCall, unobserved
from detaudit.replay.modules.comparison import LayerComparison
from detaudit.replay.modules.files import Contents, LayerFolder, plain_leaf
from detaudit.replay.modules.in_runs import WholeRun
from detaudit.replay.modules.replays import NOT_REPLAYED, replay_own, replay_step
from detaudit.replay.optimizer import OptimizerStep, OptimizerSteps
from detaudit.replay.wire.files import FLOAT64, LAYERS
from detaudit.replay.wire.layers import Definition
from detaudit.torch_private.by_name import compile_counters


class LayerValues:
    """Watches the step; after the step, replays all kept calls, alone."""

    def __init__(self, recorder: Recorder, names: Names, exchange: Exchange) -> None:
        self._recorder, self._exchange = recorder, exchange
        self._calls = LayerCalls(recorder, exchange.step)
        self._steps = OptimizerSteps(recorder, names, self._calls)
        self._folder = LayerFolder(exchange.folder)
        self._done = False
        recorder.listeners.on_step_end.append(self._step_ends)
        recorder.listeners.on_close.append(self._at_end)
        recorder.scope.on_end(self._at_end)

    def _step_ends(self, stream: StreamState) -> None:
        if self._calls.in_step(stream):
            self._finish()

    def _at_end(self) -> None:
        """Finish when the program ends: updates by hand are done by then at the latest."""
        if self._calls.calls:
            self._finish()

    def _finish(self) -> None:
        """Replay the kept calls; report a failure, and never let it reach the program."""
        if self._done or not self._recorder.active:
            return
        self._done = True
        try:
            self._calls.keep_parameter_gradients()
            with unobserved(self._recorder):
                self._keep() if self._exchange.part is Part.KEEPS else self._compare()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            self._recorder.problem(f"the layers could not be measured: {type(error).__name__}: {error}")

    def _keep(self) -> None:
        calls = self._calls.whole()
        alone = self._exchange.replays
        self._folder.save_calls(calls, [replay_own(call) if alone else NOT_REPLAYED for call in calls])
        step = self._steps.step
        if step is not None:
            self._folder.save_step(_plain_step(step), replay_step(step) if alone else NOT_REPLAYED)
        every = self._calls.calls
        parents = [None if one.parent is None else every[one.parent].identity for one in calls]
        self._folder.save_contents(
            Contents(
                tuple((one.identity, parent) for one, parent in zip(calls, parents, strict=True)),
                tuple(self._calls.unkept.items()),
                is_compiled(),
            )
        )

    def _compare(self) -> None:
        float64 = WholeRun(self._exchange.folder / FLOAT64)
        comparison = LayerComparison(self._folder, self._calls, self._steps.step, float64)
        lines = definitions(self._calls.calls, self._recorder.sites)
        measured = comparison.measure(lines, compiled=is_compiled())
        with open(f"{self._recorder.session.folder}/{LAYERS}", "w", encoding="utf-8") as file:
            json.dump(to_plain(measured), file)


def is_compiled() -> bool:
    """Say whether any module of the program was compiled: then nothing inside it is seen."""
    counters = compile_counters()
    return counters is not None and bool(counters["frames"])


def _plain_step(step: OptimizerStep) -> dict[str, Any]:
    return {
        "kind": type(step.optimizer).__name__,
        "places": [list(place) for place in step.places],
        "weights": step.weights,
        "gradients": step.gradients,
        "states": [{name: plain_leaf(value) for name, value in state.items()} for state in step.states],
        "left": list(step.left.items()),
    }


def definitions(calls: Iterable[ModuleCall], sites: Sites) -> tuple[Definition, ...]:
    """Find the line of each layer that has a `forward` of the program's own."""
    found = {}
    for call in calls:
        site = _definition(call.module, sites)
        if site is not None:
            root, path, _, _ = call.identity
            found[root, path] = site
    return tuple(Definition(*place, site) for place, site in found.items())


def _definition(module: nn.Module, sites: Sites) -> Site | None:
    forward = inspect.unwrap(module.forward)
    code = getattr(forward, "__code__", None)
    return None if code is None else sites.definition(code)
