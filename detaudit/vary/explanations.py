"""Name settings that explain a difference between two runs, or that were chosen to make runs comparable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detaudit.axes.catalogue import axis_named
from detaudit.model.variation import OperatorNumbers
from detaudit.replay.wire.files import NAMED
from detaudit.vary.experiment import Run, shares_draws

_MOST = 4


def explanations_of(
    first: Run, second: Run, axes: Sequence[str], operators: Sequence[OperatorNumbers]
) -> Iterator[str]:
    """Each in words."""
    for run in (first, second):
        yield from (f"{words}, with {run.name}" for words in _reduced_precision(run))
        yield from _chosen(run)
    if shares_draws(axes):
        yield f"the random numbers of the run with {first.name} were used in both"
    yield from filter(None, (axis_named(axis).explains for axis in axes))
    one_sided = dict.fromkeys(one.operator for one in operators if one.why.startswith("not called with"))
    if one_sided:
        names = list(one_sided)
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        yield f"other kernels: only one of the runs calls {', '.join(names[:_MOST])}{more}"


def _reduced_precision(run: Run) -> Iterator[str]:
    """Name formats with a shorter mantissa than float32 in which a GPU may compute."""
    environment = run.reader.info.environment
    if "cuda" not in environment:
        return
    precision = environment.get("float32_matmul_precision")
    if precision != "highest":
        yield f"matrix products may use TF32 or bfloat16 (float32_matmul_precision is {precision!r})"
    if environment.get("cudnn_tf32"):
        yield "cuDNN's convolutions may use TF32 (torch.backends.cudnn.allow_tf32)"


def _chosen(run: Run) -> Iterator[str]:
    file = run.folder / NAMED
    if file.exists():
        yield from dict.fromkeys(file.read_text(encoding="utf-8").splitlines())
