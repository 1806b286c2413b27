"""What a process says that makes one saved operator call many times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Replay:
    """What an operator gave when it was run many times with the same inputs."""

    times: int
    distinct: int
    """How many different results there were."""
    differs: int
    """How many of the results were not the first one."""
    largest_absolute: float
    largest_relative: float
    largest_ulp: float | None
    """In units in the last place; None where no result differs, or results are no floating-point numbers."""
    elements: int
    """The most elements in which a result was not the first one."""
    not_a_number: int
    """The most elements of which one was NaN and the other was not."""
    output_index: int
    """The first of the outputs and written arguments that differs."""
    shape: tuple[int, ...]
    dtype: str
    device: str
    threads: int
    threads_tried: tuple[int, ...]
    """Numbers of threads up to this one: more are tried where the run's own give no difference."""
    first: str
    """Digest of the first result, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class SavedCall:
    """What a file with a saved call holds, in words and in Python."""

    operator: str
    """With its overload: `aten.index_put_.default`."""
    device: str
    threads: int
    """Of the run."""
    backward: bool
    accumulate: bool
    """Whether it adds to what is there, for operators that can do either."""
    arguments: dict[str, str]
    """By name: type and shape, or the value."""
    outputs: tuple[str, ...]
    """Python expressions for what it gives and writes, in terms of `result`, `args` and `kwargs`."""
    settings: tuple[str, ...]
    """Python statements that bring about the settings of the run."""
    prepare: tuple[str, ...]
    """Python statements that must come before each call, in terms of `saved`."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one setting."""

    setting: str
    replay: Replay | None
    error: str = ""
    """Why it could not be tried, where there is no replay."""
