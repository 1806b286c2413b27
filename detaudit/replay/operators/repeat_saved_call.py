"""Run in a process of its own: make a saved operator call many times, alone, under several settings.

`main` is given FILE TIMES SECONDS SETTING..., and prints a line about the call and then one for each
setting, each as soon as it is known (`wire.repeats`). A setting is one of

- `captured`: the conditions of the run; `threads=N`: the same with another number of threads;
- `stress=N`: with more threads than in the run, only if the setting before gave equal results;
- `single`: with one thread, if the run had more;
- `deterministic`: with deterministic algorithms, but without filling fresh memory, which hides a kernel that
  reads it; `filled`: with both, only if `deterministic` gave different results.
"""

from __future__ import annotations

import copy
import functools
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from detaudit.digest.tensor import tensor_digest
from detaudit.replay.distance import Difference, difference, worse
from detaudit.replay.operators.arguments import decode, is_written, outputs_of, tensors_in
from detaudit.replay.wire.files import line_of
from detaudit.replay.wire.operators import Replay, SavedCall, SettingTried
from detaudit.torch_private.operators import schema_of

_NO_DETERMINISTIC = "does not have a deterministic implementation"
_MOST_ARGUMENTS = 8


@dataclass(frozen=True, slots=True)
class LoadedCall:
    """A saved call, ready to be made."""

    operator: Any
    saved: dict[str, Any]

    @property
    def schema(self) -> Any:
        """The operator's schema, which declares its arguments and results."""
        return schema_of(self.operator)

    @property
    def device(self) -> str:
        """The device that the operator ran on."""
        kinds = [tensor.device.type for tensor in tensors_in([self.saved["args"], self.saved["kwargs"]])]
        return next((kind for kind in kinds if kind != "cpu"), "cpu")

    def outputs(self) -> list[torch.Tensor]:
        """Make the call with fresh copies of its arguments; return all tensors that it gives or writes to."""
        memory: dict[int, Any] = {}

        def fresh(value: Any) -> torch.Tensor | None:
            if not isinstance(value, torch.Tensor):
                return None
            # What shares memory is to share it in the copies.
            strided = value.layout is torch.strided
            copied: torch.Tensor = copy.deepcopy(value, memory) if strided else value.clone()
            return copied

        args = [decode(value, fresh) for value in self.saved["args"]]
        kwargs = {name: decode(value, fresh) for name, value in self.saved["kwargs"].items()}
        for device, state in self.saved["generators"].items():
            torch.set_rng_state(state) if device == "cpu" else torch.cuda.set_rng_state(state, device)
        result = self.operator(*args, **kwargs)
        return outputs_of(self.operator, args, kwargs, result, self.saved["left_out"])


def load(path: str) -> LoadedCall:
    """Read a file that `detaudit.replay.operators.save_call` wrote."""
    saved = torch.load(path, weights_only=True)
    namespace, _, name = saved["operator"].partition("::")
    return LoadedCall(getattr(getattr(getattr(torch.ops, namespace), name), saved["overload"]), saved)


def measure(call: LoadedCall, times: int, seconds: float) -> Replay:
    """Make the call repeatedly, for at most `seconds` seconds, and count the different results."""
    first = call.outputs()
    expected = _digest(first)
    seen = Counter([expected])
    worst, where = Difference(), 0
    end = time.monotonic() + seconds
    while seen.total() < times and time.monotonic() < end:
        now = call.outputs()
        digest = _digest(now)
        seen[digest] += 1
        if seen[digest] == 1:
            found = [difference(ours, theirs) for ours, theirs in zip(first, now, strict=True)]
            if not worst.elements:
                # A sparse result may differ in how it is laid out, and in no value.
                where = next((number for number, one in enumerate(found) if one.elements), where)
            worst = functools.reduce(worse, found, worst)
    output = first[where] if first else torch.empty(0)
    return Replay(
        times=seen.total(),
        distinct=len(seen),
        differs=seen.total() - seen[expected],
        largest_absolute=worst.absolute,
        largest_relative=worst.relative,
        largest_ulp=worst.ulp,
        elements=worst.elements,
        not_a_number=worst.not_a_number,
        output_index=where,
        shape=tuple(output.shape),
        dtype=str(output.dtype).removeprefix("torch."),
        device=call.device,
        threads=torch.get_num_threads(),
        threads_tried=(torch.get_num_threads(),),
        first=expected,
    )


def _digest(outputs: list[torch.Tensor]) -> str:
    return b"".join(tensor_digest(output) for output in outputs).hex()


def apply(call: LoadedCall, setting: str) -> None:
    """Set the conditions of the captured run, and then those of a setting."""
    saved = call.saved
    name, _, number = setting.partition("=")
    strict = name in {"deterministic", "filled"}
    torch.use_deterministic_algorithms(strict or saved["deterministic"], warn_only=not strict)
    if strict:
        # Filling fresh memory would hide an operator that reads it.
        torch.utils.deterministic.fill_uninitialized_memory = name == "filled"  # type: ignore[attr-defined]  # a property of the module
    torch.set_num_threads(int(number) if number else 1 if name == "single" else saved["threads"])
    if saved["precision"] is not None:
        torch.set_float32_matmul_precision(saved["precision"])
    for flag, value in saved["cudnn"].items():
        setattr(torch.backends.cudnn, flag, value)


def describe(call: LoadedCall) -> SavedCall:
    """Describe the call for a reader."""
    saved = call.saved
    names = [argument.name for argument in call.schema.arguments]
    values = dict(zip(names, saved["args"], strict=False)) | saved["kwargs"]
    settings = [f"torch.backends.cudnn.{flag} = True" for flag, value in saved["cudnn"].items() if value]
    if saved["precision"] not in {None, "highest"}:
        settings.append(f'torch.set_float32_matmul_precision("{saved["precision"]}")')
    if saved["deterministic"]:
        settings.append("torch.use_deterministic_algorithms(True, warn_only=True)")
    return SavedCall(
        operator=f"{saved['operator'].replace('::', '.')}.{saved['overload']}",
        device=call.device,
        threads=saved["threads"],
        backward=saved["backward"],
        accumulate=bool(values.get("accumulate")),
        arguments={name: _text(value) for name, value in values.items()},
        outputs=tuple(_expressions(call)),
        settings=tuple(settings),
        prepare=tuple(_generator_statement(device) for device in saved["generators"]),
    )


def _expressions(call: LoadedCall) -> Iterator[str]:
    """Write Python expressions for the results and the written arguments, as `outputs` collects them."""
    returns = call.schema.returns
    for number, one in enumerate(returns):
        if number not in call.saved["left_out"] and not is_written(one):
            star = "*" if str(one.type).startswith("List") else ""
            yield f"{star}result[{number}]" if len(returns) > 1 else f"{star}result"
    for number, argument in enumerate(call.schema.arguments):
        if is_written(argument):
            star = "*" if str(argument.type).startswith("List") else ""
            known = number < len(call.saved["args"])
            yield f"{star}args[{number}]" if known else f'{star}kwargs["{argument.name}"]'


def _generator_statement(device: str) -> str:
    state = f'saved["generators"]["{device}"]'
    return (
        f"torch.set_rng_state({state})"
        if device == "cpu"
        else f'torch.cuda.set_rng_state({state}, "{device}")'
    )


def _text(value: object) -> str:
    match value:
        case torch.Tensor():
            return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
        case list():
            more = ", ..." if len(value) > _MOST_ARGUMENTS else ""
            return f"[{', '.join(_text(item) for item in value[:_MOST_ARGUMENTS])}{more}]"
        case {"torch": str(name)} | {"device": str(name)}:
            return name
        case {"generator": _}:
            return "a generator"
    return repr(value)


def answers(path: str, times: int, seconds: float, settings: list[str]) -> Iterator[SavedCall | SettingTried]:
    """Describe a saved call, then report the result under each setting."""
    call = load(path)
    yield describe(call)
    last: SettingTried | None = None
    with torch.no_grad():
        for setting in settings:
            if _needed(setting, call, None if last is None else last.replay):
                apply(call, setting)
                last = _outcome(call, setting, times, seconds)
                yield last


def _needed(setting: str, call: LoadedCall, last: Replay | None) -> bool:
    """Say whether a setting tells more than those before it: some are needed only if others leave doubt."""
    name, _, threads = setting.partition("=")
    if name == "filled":
        return last is not None and last.differs > 0
    if name == "single":
        return call.device == "cpu" and call.saved["threads"] > 1
    if name == "stress":
        equal = last is not None and last.differs == 0
        return equal and call.device == "cpu" and call.saved["threads"] < int(threads)
    return True


def _outcome(call: LoadedCall, setting: str, times: int, seconds: float) -> SettingTried:
    try:
        return SettingTried(setting, measure(call, times, seconds))
    except RuntimeError as error:
        text = str(error).partition("\n")[0]
        return SettingTried(
            setting, None, "it has no deterministic implementation" if _NO_DETERMINISTIC in text else text
        )


def main(path: str, times: str, seconds: str, *settings: str) -> None:
    """Print a description of the call, and then a line for each setting."""
    if {"deterministic", "filled"} & set(settings):
        # Where cuBLAS is to be deterministic it asks for this; what the user has set stays.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    for line in answers(path, int(times), float(seconds), list(settings)):
        sys.stdout.write(line_of(line))
        sys.stdout.flush()
