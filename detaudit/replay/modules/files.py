"""Store the module calls of one step on disk: plain data and tensors, a file each, and a contents file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from detaudit.model.codec import from_plain, to_plain
from detaudit.replay.arithmetic.float64 import Rounding
from detaudit.replay.calls.module_call import PLAIN, ModuleCall, State
from detaudit.replay.calls.replay import Values
from detaudit.replay.draws.common import BlockDraws
from detaudit.replay.draws.files import Drawn
from detaudit.replay.modules.references import Reference
from detaudit.replay.wire.layers import Identity

_FOLDER, _CONTENTS, _WEIGHTS = "layers", "contents.json", "weights.pt"
_OPTIMIZER = "optimizer.pt"
_OWN = {"own": True}
"""Stands for an argument that cannot be stored: the other run takes the argument of its own call."""


@dataclass(slots=True)
class Replayed:
    """Values of a piece of the program that was run again, alone."""

    values: dict[Any, torch.Tensor]
    references: dict[Any, Reference]
    draws: BlockDraws
    rounding: Rounding
    why: str = ""
    """Why it could not be run again, or why its values do not show what the program did."""
    without_reference: str = ""
    """Why there are no references, if there are none."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What one run left of a step, but for the values."""

    parents: tuple[tuple[Identity, Identity | None], ...]
    """Each call that was kept with the call inside which it was made, or None."""
    unkept: tuple[tuple[Identity, str], ...]
    """Calls that could not be kept, and why."""
    compiled: bool
    """Whether the run has compiled code."""


@dataclass(slots=True)
class KeptCall:
    """A module call of the other run, as read from disk."""

    identity: Identity
    kind: str
    state: State
    leaves: list[Any]
    differentiable: tuple[int, ...]
    parameters: dict[str, torch.Tensor]
    buffers: dict[str, torch.Tensor]
    outputs: list[Any]
    gradients: dict[int, torch.Tensor]
    of_inputs: dict[int, torch.Tensor]
    of_parameters: dict[str, torch.Tensor]
    replayed: Replayed


class LayerFolder:
    """The folder in which one run leaves its module calls for the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER

    def save_calls(self, calls: list[ModuleCall], replays: list[Replayed]) -> None:
        """Write all calls. Raises OSError or RuntimeError where writing fails."""
        self._folder.mkdir(parents=True, exist_ok=True)
        weights: dict[int, torch.Tensor] = {}
        for call in calls:
            weights |= {id(one): one for one in call.parameters.values()}
        numbers = {known: number for number, known in enumerate(weights)}
        torch.save(list(weights.values()), self._folder / _WEIGHTS)
        for number, (call, replayed) in enumerate(zip(calls, replays, strict=True)):
            torch.save(_plain_call(call, replayed, numbers), self._folder / f"{number}.pt")

    def save_contents(self, contents: Contents) -> None:
        """Write the table of contents; this comes last, since without it the folder counts as empty."""
        (self._folder / _CONTENTS).write_text(json.dumps(to_plain(contents)), encoding="utf-8")

    def is_whole(self) -> bool:
        """Say whether a run has written everything."""
        return (self._folder / _CONTENTS).exists()

    def contents(self) -> Contents:
        """Read the table of contents. Raises OSError if the other run left none."""
        plain = json.loads((self._folder / _CONTENTS).read_text(encoding="utf-8"))
        return from_plain(Contents, plain, _CONTENTS)

    def weights(self) -> list[torch.Tensor]:
        """Read the weights of all calls."""
        weights: list[torch.Tensor] = torch.load(self._folder / _WEIGHTS, weights_only=True)
        return weights

    def load_call(self, number: int, weights: list[torch.Tensor]) -> KeptCall:
        """Read one call, by its number."""
        plain = torch.load(self._folder / f"{number}.pt", weights_only=True)
        parameters = {name: weights[at] for name, at in plain.pop("parameters").items()}
        return KeptCall(
            identity=tuple(plain.pop("identity")),
            state=State.from_plain(plain.pop("state")),
            differentiable=tuple(plain.pop("differentiable")),
            replayed=_replayed(plain.pop("replayed")),
            parameters=parameters,
            **plain,
        )

    def save_step(self, plain: dict[str, Any], replayed: Replayed) -> None:
        """Write the optimizer's part of the step."""
        torch.save({**plain, "replayed": _plain_replayed(replayed)}, self._folder / _OPTIMIZER)

    def load_step(self) -> tuple[dict[str, Any], Replayed] | None:
        """Read the optimizer's part of the step; None if there is none."""
        path = self._folder / _OPTIMIZER
        if not path.exists():
            return None
        plain = torch.load(path, weights_only=True)
        return plain, _replayed(plain.pop("replayed"))


def is_own(leaf: object) -> bool:
    """Say whether an argument of a kept call stands for the argument of the run's own call."""
    return leaf == _OWN if isinstance(leaf, dict) else False


def plain_leaf(leaf: object) -> object:
    """Return an argument in the form that is stored on disk."""
    return leaf if isinstance(leaf, torch.Tensor) or type(leaf) in PLAIN else _OWN


def _plain_call(call: ModuleCall, replayed: Replayed, weights: Mapping[int, int]) -> dict[str, object]:
    return {
        "identity": list(call.identity),
        "kind": call.kind,
        "state": call.state.to_plain(),
        "leaves": [plain_leaf(leaf) for leaf in call.leaves],
        "differentiable": list(call.differentiable),
        "parameters": {name: weights[id(one)] for name, one in call.parameters.items()},
        "buffers": call.buffers,
        "outputs": [plain_leaf(leaf) for leaf in call.outputs],
        "gradients": call.gradients,
        "of_inputs": call.of_inputs,
        "of_parameters": call.of_parameters,
        "replayed": _plain_replayed(replayed),
    }


def _plain_replayed(replayed: Replayed) -> dict[str, object]:
    return {
        "values": list(replayed.values.items()),
        "references": [
            (
                key,
                {
                    "value": one.value,
                    "noise": one.noise,
                    "unsettled": one.unsettled,
                    "rounding": asdict(one.rounding),
                },
            )
            for key, one in replayed.references.items()
        ],
        "drawn": [
            {**asdict(one), "numbers": one.numbers, "parameters": list(one.parameters)}
            for one in replayed.draws.drawn
        ],
        "draw_problems": replayed.draws.problems,
        "rounding": asdict(replayed.rounding),
        "why": replayed.why,
        "without_reference": replayed.without_reference,
    }


def _replayed(plain: dict[str, Any]) -> Replayed:
    drawn = [
        Drawn(**{**one, "numbers": tuple(one["numbers"]), "parameters": tuple(one["parameters"])})
        for one in plain["drawn"]
    ]
    values: Values = dict(plain["values"])
    references = {
        key: Reference(**{**one, "rounding": Rounding(**one["rounding"])}) for key, one in plain["references"]
    }
    return Replayed(
        values,
        references,
        BlockDraws(drawn, plain["draw_problems"]),
        Rounding(**plain["rounding"]),
        plain["why"],
        plain["without_reference"],
    )
