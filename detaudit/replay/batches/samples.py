"""Collect the samples of a model file's batches, and list the batches in which to have each sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from detaudit.replay.batches.measure import Seat

_MOST_BATCHES = 1000
"""The most batches that are read in search of samples that fit together."""
PADDING_LABEL = -100
"""The label that `cross_entropy` ignores by default."""

FIRST, MIDDLE, LAST = "first of {size}", "in the middle of {size}", "last of {size}"
FIRST_OTHERS, LAST_OTHERS = f"{FIRST} with other neighbours", f"{LAST} with other neighbours"
ZEROS, COPIES = "padded with zeros to {size}", "padded with copies of itself to {size}"
SWAPPED = ((FIRST, FIRST_OTHERS), (FIRST, COPIES), (LAST, LAST_OTHERS))
"""Pairs in which the sample has the same position and other neighbours."""


class CannotTellError(Exception):
    """The question cannot be answered for this model file, for the reason given."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one shape, as one large batch."""

    batch: Any
    count: int

    def select(self, indices: Sequence[int]) -> Any:
        """Return a batch of these samples."""
        return _mapped(self.batch, lambda leaf: _picked(leaf, indices))

    def with_zeros(self, index: int, size: int) -> Any:
        """Return a batch of one sample, followed by rows of zeros."""
        return _mapped(self.select([index] * size), _emptied)

    @property
    def has_mask(self) -> bool:
        """Whether its length can be padded: the batch has a mask that says which tokens count."""
        mask = self.batch.get("attention_mask") if isinstance(self.batch, Mapping) else None
        return isinstance(mask, torch.Tensor) and mask.ndim == 2  # noqa: PLR2004 - samples, tokens

    def lengthened(self, index: int, more: int) -> Any:
        """Return one sample with `more` tokens of padding at its end, which its mask leaves out."""
        batch = self.select([index])
        length = batch["attention_mask"].shape[1]

        def longer(name: str, leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor) or leaf.ndim < 2 or leaf.shape[1] != length:  # noqa: PLR2004 - samples, tokens
                return leaf
            value = PADDING_LABEL if "label" in name else 0
            padding = leaf.new_full((leaf.shape[0], more, *leaf.shape[2:]), value)
            return torch.cat([leaf, padding], 1)

        return {name: longer(name, leaf) for name, leaf in batch.items()}

    def in_dtype(self, dtype: torch.dtype) -> Samples:
        """Convert every floating-point number of the samples to this dtype; return new Samples."""
        return Samples(_mapped(self.batch, lambda leaf: _converted(leaf, dtype)), self.count)


def gather(batches: Iterable[Any], wanted: int) -> Samples:
    """Join batches along their first dimension until there are `wanted` samples of one shape, if there are.

    Raises CannotTellError where the first dimension does not count samples.
    """
    groups: dict[str, list[Any]] = {}
    counts: dict[str, int] = {}
    for number, batch in enumerate(batches):
        form, size = _form(batch), _size(batch)
        groups.setdefault(form, []).append(batch)
        counts[form] = counts.get(form, 0) + size
        if counts[form] >= wanted or number == _MOST_BATCHES:
            break
    if not groups:
        raise CannotTellError("make_batches() gave no batch")
    form = max(counts, key=lambda one: counts[one])
    return Samples(_joined(groups[form]), counts[form])


def _size(batch: object) -> int:
    """Return how many samples a batch has. Raises CannotTellError."""
    shapes = [tuple(leaf.shape) for leaf in _arrays(batch) if leaf.ndim]
    if not shapes:
        raise CannotTellError("a batch holds no tensor whose first dimension could count samples")
    sizes = {shape[0] for shape in shapes}
    if len(sizes) > 1:
        text = ", ".join(str(list(shape)) for shape in dict.fromkeys(shapes))
        raise CannotTellError(f"the tensors of a batch do not agree in their first dimension: {text}")
    return int(sizes.pop())


def _form(batch: object) -> str:
    """Describe what batches must share to be joined: structure, types, shapes of one sample."""
    if isinstance(batch, torch.Tensor | np.ndarray):
        return f"{batch.dtype}{list(batch.shape[1:]) if batch.ndim else repr(batch)}"
    if isinstance(batch, Mapping):
        return "{" + ",".join(f"{name}:{_form(part)}" for name, part in batch.items()) + "}"
    if isinstance(batch, list | tuple):
        if _one_for_each(batch):
            return "[...]"
        return f"{type(batch).__name__}({','.join(_form(part) for part in batch)})"
    return repr(batch)


def _arrays(value: object) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided:
            raise CannotTellError(f"a batch holds a {value.layout} tensor")
        yield value
    elif isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _arrays(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _arrays(part)
    elif not isinstance(value, str | bytes | bool | int | float | complex | None):
        raise CannotTellError(f"a batch holds a {type(value).__name__}, which cannot be cut into samples")


def _one_for_each(value: Sequence[object]) -> bool:
    """Say whether a list has a name or a number for each sample, as loaders make such lists."""
    return bool(value) and all(isinstance(part, str | bytes | int | float) for part in value)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Change each tensor, array, and list of names or numbers in a batch; return the new batch."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return change(value) if value.ndim else value
    if isinstance(value, Mapping):
        return {name: _mapped(part, change) for name, part in value.items()}
    if isinstance(value, list | tuple):
        if _one_for_each(value):
            return change(value)
        return _rebuilt(value, [_mapped(part, change) for part in value])
    return value


def _rebuilt(value: Sequence[Any], parts: list[Any]) -> Any:
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)  # type: ignore[call-arg]  # a list, a tuple


def _picked(leaf: Any, indices: Sequence[int]) -> Any:
    if isinstance(leaf, list | tuple):
        return type(leaf)(leaf[index] for index in indices)
    # As a loader makes it: the samples one after the other in memory of its own.
    return leaf[list(indices)]


def _emptied(leaf: Any) -> Any:
    if isinstance(leaf, torch.Tensor | np.ndarray):
        leaf[1:] = 0
    return leaf


def _converted(leaf: Any, dtype: torch.dtype) -> Any:
    if isinstance(leaf, torch.Tensor):
        return leaf.to(dtype) if leaf.is_floating_point() else leaf
    if isinstance(leaf, np.ndarray) and np.issubdtype(leaf.dtype, np.floating):
        return leaf.astype(np.float64 if dtype is torch.float64 else np.float32)
    return leaf


def _joined(batches: list[Any]) -> Any:
    """Join several batches of one form into one batch."""
    first = batches[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(batches) if first.ndim else first
    if isinstance(first, np.ndarray):
        return np.concatenate(batches) if first.ndim else first
    if isinstance(first, Mapping):
        return {name: _joined([batch[name] for batch in batches]) for name in first}
    if isinstance(first, list | tuple):
        if _one_for_each(first):
            return type(first)(part for batch in batches for part in batch)
        return _rebuilt(first, [_joined(list(parts)) for parts in zip(*batches, strict=True)])
    return first


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to have a sample in a batch."""

    kind: str
    """The name of the variant, without the size of the batch."""
    seat: Seat
    make: Callable[[Samples], Any]
    """Makes the batch."""

    @property
    def name(self) -> str:
        """Its name, for a reader."""
        return self.kind.format(size=self.seat.size)


def alone(index: int, count: int, size: int) -> Variant:
    """Return the variant that others are compared with: the sample alone, or first in the smaller batch."""
    others = [one for one in range(count) if one != index]
    kind = "alone" if size == 1 else FIRST
    return Variant(kind, Seat(0, size), lambda samples: samples.select([index, *others[: size - 1]]))


def variants(index: int, samples: Samples, sizes: list[int], padded: int | None) -> Iterator[Variant]:
    """List all the ways to have a sample in a batch."""
    others = [one for one in range(samples.count) if one != index]

    def among(kind: str, position: int, neighbours: list[int]) -> Variant:
        chosen = [*neighbours[:position], index, *neighbours[position:]]
        return Variant(kind, Seat(position, len(chosen)), lambda one: one.select(chosen))

    for size in sizes[1:]:
        near, far = others[: size - 1], others[::-1][: size - 1]
        yield among(FIRST, 0, near)
        if size > 2:  # noqa: PLR2004 - first and last are all there is
            yield among(MIDDLE, size // 2, near)
        yield among(LAST, size - 1, near)
        if samples.count > size:
            yield among(FIRST_OTHERS, 0, far)
            yield among(LAST_OTHERS, size - 1, far)
        yield Variant(ZEROS, Seat(0, size), partial(Samples.with_zeros, index=index, size=size))
        yield among(COPIES, 0, [index] * (size - 1))
    if padded is not None and sizes[0] == 1:
        length = int(samples.batch["attention_mask"].shape[1])
        seat = Seat(0, 1, (padded, length))
        yield Variant(
            f"padded from {length} to {padded} tokens",
            seat,
            lambda one: one.lengthened(index, padded - length),
        )
