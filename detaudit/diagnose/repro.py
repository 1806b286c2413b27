"""A stand-alone script, fit for a bug report: an operator gives other results for the same inputs."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from string import Template

from detaudit.diagnose.alternatives import base_name
from detaudit.errors import OutputError
from detaudit.model.version import VERSION
from detaudit.replay.wire.operators import Replay, SavedCall
from detaudit.run import guard

_SECONDS = 300.0
_ANSWER = re.compile(r"^(\d+ of \d+ differ)", re.MULTILINE)

_EXPECTED = 10
"""The script repeats the call until about so many results differ."""

_MOST_TIMES = 5000

_MOST_BYTES_READ = 10 * 1000**3
"""Large inputs, which the script reads anew for each call, are tried less often."""

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
    done = guard.ask(command, seconds=_SECONDS)
    if done.timed_out:
        return False, f"the script was run, and did not end within {_SECONDS:.0f} s"
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
