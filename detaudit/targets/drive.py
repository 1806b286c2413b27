"""Run in a process of its own: drive a model file, or call a callable, as a script would be run.

Started as `python drive.py DRIVE ARGS...`, with a `Drive` as JSON. Ends with exit status 3 and a line on
stderr that begins with `detaudit:` where the target does not offer what it must.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import pickle
import random
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from detaudit import nested
from detaudit.model.codec import from_plain
from detaudit.model.plan import Drive, TargetKind

if TYPE_CHECKING:
    from detaudit.targets.driven import Driven

EXIT_TARGET = 3
_DEFAULT_LEARNING_RATE = 0.01


def main() -> None:
    """Run the target that the command line describes."""
    drive = from_plain(Drive, json.loads(sys.argv[1]), "drive")
    path = None if drive.target.path is None else str(drive.target.path)
    # As `python FILE` and `python -m` do: the target's folder comes first.
    sys.path[0] = os.getcwd() if path is None else os.path.dirname(os.path.abspath(path))
    sys.argv[:] = [path or str(drive.target.import_name), *sys.argv[2:]]
    if path is not None and drive.target.kind is TargetKind.MODEL_FILE:
        _seed(drive.seed)
        train(_load(path), drive.steps, drive.axes)
        return
    _call(_loaded_for_its_function(drive, path), drive)


def _loaded_for_its_function(drive: Drive, path: str | None) -> ModuleType:
    """Load the module of a callable; stop at a call in it that audits the callable itself."""
    name = drive.target.loaded_as
    try:
        with nested.loading((name, str(drive.target.attribute)), _given(drive.call)):
            return importlib.import_module(name) if path is None else _load(path)
    except nested.Reached as reached:
        for other, module in reached.modules.items():
            sys.modules.setdefault(other, module)
        return sys.modules[name]


def _given(call: str | None) -> list[tuple[str, str, list[str]]]:
    """Read the answers to earlier audits that the process which audits a callable had got."""
    if call is None:
        return []
    with open(os.path.join(os.path.dirname(call), nested.GIVEN), encoding="utf-8") as file:
        found: list[tuple[str, str, list[str]]] = json.load(file)
    return found


def train(model_file: ModuleType, steps: int | None, axes: dict[str, str]) -> None:
    """Train a model file's model over its batches once: forward, backward, optimizer step for each."""
    # Imports torch, which a callable may want to do itself, after its own settings.
    from detaudit.axes.axis import UnfitError
    from detaudit.targets.driven import Driven

    try:
        _train(model_file, steps, Driven(axes))
    except UnfitError as error:
        refuse(str(error))


def _train(model_file: ModuleType, steps: int | None, driven: Driven) -> None:
    model = model_file.make_model()
    batches = model_file.make_batches()
    loss_fn = getattr(model_file, "loss_fn", default_loss)
    with driven.step():
        driven.place(model)
        optimizer = _optimizer(model_file, model)
        seen = driven.compiled(model)
    taken = 0
    for batch in batches:
        with driven.step():
            loss = loss_fn(seen, driven.batch(batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        taken += 1
        if taken == steps:
            break
    if not taken:
        refuse("make_batches() gave no batch")


def default_loss(model: Any, batch: Any) -> Any:
    """Compute the loss where a model file has no `loss_fn`.

    A mapping is passed as keyword arguments, a pair as (inputs, target), anything else as the only
    argument. A `loss` that the model returns is taken; otherwise cross-entropy for integer targets, mean
    squared error for others, and the mean square of the output where there is no target.
    """
    import torch

    target = None
    if isinstance(batch, dict):
        output = model(**batch)
    elif isinstance(batch, list | tuple) and len(batch) == 2:  # noqa: PLR2004 - (inputs, target)
        output, target = model(batch[0]), batch[1]
    else:
        output = model(batch)
    loss = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
    if loss is not None:
        return loss
    if not isinstance(output, torch.Tensor):
        refuse(f"the model returns {type(output).__name__}: define loss_fn(model, batch)")
    if target is None:
        return output.float().pow(2).mean()
    if target.dtype.is_floating_point:
        return torch.nn.functional.mse_loss(output, target)
    return torch.nn.functional.cross_entropy(output, target)


def refuse(text: str) -> NoReturn:
    """End the process with a message that the audit passes on."""
    sys.stderr.write(f"detaudit: {text}\n")
    raise SystemExit(EXIT_TARGET)


def _optimizer(model_file: ModuleType, model: Any) -> Any:
    if hasattr(model_file, "make_optimizer"):
        return model_file.make_optimizer(model)
    import torch

    return torch.optim.SGD(model.parameters(), lr=_DEFAULT_LEARNING_RATE)


def _call(module: ModuleType, drive: Drive) -> None:
    function: Any = module
    for part in str(drive.target.attribute).split("."):
        function = getattr(function, part, None)
    if not callable(function):
        refuse(f"{drive.target.attribute} in {module.__name__} is not callable")
    args, kwargs = (), {}
    if drive.call is not None:
        with open(drive.call, "rb") as file:
            # Written by this same user's `detaudit.check` a moment ago, into a folder of its own.
            args, kwargs = pickle.load(file)  # noqa: S301 - see above
    _seed(drive.seed)
    function(*args, **kwargs)


def _seed(seed: int) -> None:
    import torch

    random.seed(seed)
    torch.manual_seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)


def _name_of(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _load(path: str) -> ModuleType:
    name = _name_of(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        refuse(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    # Under its own name, so that its classes can be pickled (DataLoader workers by spawn).
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
