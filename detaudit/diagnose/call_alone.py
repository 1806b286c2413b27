"""Replay a saved operator call alone: in fresh processes, and as a stand-alone script for a bug report."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template

from detaudit.diagnose.alternatives import base_name
from detaudit.errors import OutputError, RunError
from detaudit.model.version import VERSION
from detaudit.replay.wire.files import records_in
from detaudit.replay.wire.operators import Replay, SavedCall, SettingTried
from detaudit.run import guard

TIMES = 200
STRESS_THREADS = 8
"""More threads than many machines have cores: a race is then lost in nearly every replay."""

SECONDS = 15.0
"""Seconds for which one setting is tried."""

_GRACE_SECONDS = 60.0
"""Seconds that a process may take beyond that: some kernels never return."""

_START = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from detaudit.replay.operators.repeat_saved_call import main; main(*sys.argv[2:])"
)
_PACKAGE_PARENT = Path(__file__).parent.parent.parent

_SCRIPT_SECONDS = 300.0
_ANSWER = re.compile(r"^(\d+ of \d+ differ)", re.MULTILINE)

_EXPECTED = 10
"""The script repeats the call until about so many results differ."""

_MOST_TIMES = 5000

_MOST_BYTES_READ = 10 * 1000**3
"""The most bytes that the script reads in all. It reads the inputs anew for each call, so a call with large
inputs is repeated less often."""

_FEWEST_TIMES = 20

_MACHINE = {"cpu": "torch.backends.cpu.get_cpu_capability()", "cuda": "torch.cuda.get_device_name()"}

_SCRIPT = Template('''\
"""$operator gives other results for the same inputs. Written by detaudit $version.

Makes the call $times times (or as often as the command line says) with the inputs
saved in $data, and compares each result with the first, bit by bit.
Ends with exit status 1 if any differs, 0 if none does.
"""

import sys
from pathlib import Path

import torch

inputs = Path(__file__).with_name("$data")
times = int(sys.argv[1]) if len(sys.argv) > 1 else $times
$settings


def decode(value):
    """Turn what was saved into an argument."""
    match value:
        case list():
            return [decode(item) for item in value]
        case {"torch": name}:  # a dtype, a layout or a memory format
            return getattr(torch, name)
        case {"device": name}:
            return torch.device(name)
        case {"generator": state, "on": device}:
            return torch.Generator(device).set_state(state)
    return value


def call():
    """Make the call once; return all that it gives and writes, each as a row."""
    saved = torch.load(inputs, weights_only=True)  # anew: the call may write to them
    args = decode(saved["args"])
    kwargs = {name: decode(value) for name, value in saved["kwargs"].items()}
$prepare    result = torch.ops.$operator(*args, **kwargs)
    rows = [torch.as_tensor(one) for one in ($outputs,) if one is not None]
    return [row.detach().cpu().to_dense().contiguous().reshape(-1) for row in rows]


def gap(one, other):
    """Return the largest difference of two rows, -1 if their bits are the same."""
    if torch.equal(one.view(torch.uint8), other.view(torch.uint8)):
        return -1
    wide = one.to(torch.cdouble) - other.to(torch.cdouble)
    return wide.abs().nan_to_num().max().item()


first = call()
gaps = [max(map(gap, first, call())) for _ in range(times - 1)]
found = [one for one in gaps if one >= 0]
print(f"{len(found)} of {times} differ from the first, by up to {max([0, *found]):.3g}")
print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
print($machine)
sys.exit(1 if found else 0)
''')


@dataclass(slots=True)
class Answers:
    """What one process said."""

    call: SavedCall | None = None
    replays: dict[str, Replay] = field(default_factory=dict)
    """The replays by setting (see `detaudit.replay.operators.repeat_saved_call`)."""
    errors: dict[str, str] = field(default_factory=dict)
    """By setting, the reason why it could not be tried; under the empty text, the reason why the process
    ended early."""


def strongest(answers: Answers) -> Replay:
    """Return the replay under stress, if there was one, else the one under the conditions of the run.

    Raises RunError if there is neither.
    """
    tried = [one for name, one in answers.replays.items() if name != "single"]
    if not tried:
        reason = next(iter(answers.errors.values()), "no answer")
        raise RunError("not-replayed", f"the operator could not be replayed alone: {reason}")
    return replace(tried[-1], threads_tried=tuple(one.threads for one in tried))


def ask(path: Path, times: int, *settings: str) -> Answers:
    """Replay a saved call under several settings in one fresh process."""
    command = [sys.executable, "-P", "-c", _START, str(_PACKAGE_PARENT), str(path.resolve()), str(times)]
    limit = SECONDS * len(settings) + _GRACE_SECONDS
    done = guard.ask([*command, str(SECONDS), *settings], seconds=limit)
    if done.timed_out:
        return _read(done.stdout, f"it did not end within {limit:.0f} s")
    lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.code}"]
    return _read(done.stdout, lines[-1] if done.code else "")


def _read(output: bytes, problem: str) -> Answers:
    # The last line of a process that was ended may be cut.
    lines = output.decode().splitlines(keepends=True)
    answers = Answers(next(records_in(lines, SavedCall), None), errors={"": problem} if problem else {})
    for tried in records_in(lines, SettingTried):
        if tried.replay is None:
            answers.errors[tried.setting] = tried.error
        else:
            answers.replays[tried.setting] = tried.replay
    return answers


def write_repro(folder: Path, saved: Path, call: SavedCall, replay: Replay) -> Path:
    """Write a script that makes a saved call many times, and its data beside it; return the script.

    Files that are there already are left alone. Raises OutputError if the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        script, data = _free_names(folder, base_name(call.operator))
        shutil.copyfile(saved, data)
        times = _times(replay, data.stat().st_size)
        script.write_text(_script(data.name, call, replay, times), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            "repro-unwritable", f"cannot write to {folder}: {error.strerror}", "name another folder"
        ) from error
    return script


def _script(data: str, call: SavedCall, replay: Replay, times: int) -> str:
    settings = [f"torch.set_num_threads({replay.threads})", *call.settings]
    return _SCRIPT.substitute(
        operator=call.operator,
        version=VERSION,
        times=times,
        data=data,
        settings="\n".join(settings),
        prepare="".join(f"    {line}\n" for line in call.prepare),
        outputs=", ".join(call.outputs),
        machine=_MACHINE.get(call.device, "torch.accelerator.current_accelerator()"),
    )


def check_repro(script: Path) -> tuple[bool, str]:
    """Run a script in a fresh process; return whether it showed the difference, and what was seen."""
    command = [sys.executable, str(script.resolve())]
    done = guard.ask(command, seconds=_SCRIPT_SECONDS)
    if done.timed_out:
        return False, f"the script was run, and did not end within {_SCRIPT_SECONDS:.0f} s"
    answer = _ANSWER.search(done.stdout.decode(errors="replace"))
    if answer is None:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.code}"]
        return False, f"the script was run, and failed: {lines[-1]}"
    return done.code == 1, f"the script was run: {answer[1]}"


def _free_names(folder: Path, name: str) -> tuple[Path, Path]:
    number = 1
    while True:
        stem = name if number == 1 else f"{name}_{number}"
        script, data = folder / f"repro_{stem}.py", folder / f"{stem}.pt"
        if not script.exists() and not data.exists():
            return script, data
        number += 1


def _times(replay: Replay, size: int) -> int:
    """As often as it takes: a rare difference takes more replays to be seen again."""
    wanted = replay.times
    if replay.differs:
        wanted = max(wanted, round(_EXPECTED * replay.times / replay.differs))
    affordable = max(_FEWEST_TIMES, _MOST_BYTES_READ // max(size, 1))
    return min(wanted, affordable, _MOST_TIMES)
