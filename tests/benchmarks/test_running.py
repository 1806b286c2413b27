"""The observer test can fail: its probe tells runs apart that end in other bits."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from tests.benchmarks.observer import _missing, _steady_lines, run_probed

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import torch
torch.manual_seed(0)
weight = torch.nn.Parameter(torch.randn(4))
(weight ** 2).sum().backward()
{extra}
"""


def alive(folder: Path, extra: str = "") -> Counter[str]:
    script = folder / "program.py"
    script.write_text(PROGRAM.format(extra=extra))
    return Counter(
        {line: n for line, n in run_probed([sys.executable, str(script)]).alive.items() if "torch" in line}
    )


def test_the_probe_sees_weights_gradients_and_the_generator(tmp_path: Path):
    plain = alive(tmp_path)
    assert sum(line.startswith("tensor torch.float32 ((4,)") for line in plain) == 2
    assert _missing("bits", plain, alive(tmp_path)) == []
    assert _missing("bits", plain, alive(tmp_path, "torch.rand(1)"))
    assert _missing("bits", plain, alive(tmp_path, "weight.data[0] += 1e-6"))


def test_a_line_that_is_missing_or_doubled_is_named_and_an_added_one_is_not():
    steady = _steady_lines("loss 1\ntook 3 s\n", "loss 1\ntook 4 s\n")
    assert steady == Counter({"loss 1": 1})
    assert _missing("stdout", steady, Counter({"loss 1": 1, "recorded": 1})) == []
    assert _missing("stdout", steady, Counter({"loss 2": 1}))
    assert _missing("stdout", steady, Counter({"loss 1": 2}))
