"""Use the same random numbers in two runs: the first keeps the numbers that it draws, the second takes them.

A GPU draws other numbers than the CPU from the same seed, and so does the CPU under another instruction set
or dtype. Without this exchange, other random numbers would look like other arithmetic. The operator runs
first and its numbers are overwritten afterwards, so that the generator goes on as it would have.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch

from detaudit.replay.draws.files import Drawn
from detaudit.replay.draws.forms import (
    DrawForm,
    DrawingCall,
    MismatchError,
    draws_nothing,
    form_of,
    saved_before,
)
from detaudit.replay.operators.arguments import tensors_in
from detaudit.torch_private.modes import OnlookingMode, Unseen
from detaudit.torch_private.operators import OpOverload, call_by_parts, has_parts, overload_name
from detaudit.torch_private.tensors import is_fake, is_wrapper_subclass

_apart = threading.local()

_Say = Callable[[str], None]
_Where = Callable[[], tuple[int, str]]
"""Returns the step of a thread, and its line."""


class DrawSide(Protocol):
    """How one thread of a run exchanges its random numbers."""

    def exchange(self, call: DrawingCall) -> None:
        """Keep the numbers of a call that was just made, or replace them by the other run's."""

    def stop(self, why: str) -> None:
        """Exchange no more: from here on, the numbers of the two runs would not belong together."""


class Keeping:
    """Keeps the numbers of one thread, in order."""

    def __init__(self, keep: Callable[[Drawn], None], where: _Where, say: _Say) -> None:
        self._keep, self._where, self._say = keep, where, say
        self._stopped = False

    def exchange(self, call: DrawingCall) -> None:
        """Keep the numbers of a call."""
        form = None if self._stopped else form_of(call)
        if form is None:
            self.stop(_unseen(call))
        else:
            drawn = _drawn(call, form, self._where())
            # Row-major, whatever the layout: two sides may have their own.
            numbers = tuple(one.detach().to("cpu", copy=True).contiguous() for one in drawn.numbers)
            self._keep(replace(drawn, numbers=numbers))

    def stop(self, why: str) -> None:
        """Keep no more numbers, and say so once."""
        if not self._stopped:
            self._stopped = True
            self._say(f"random numbers could not be kept: {_prefix(self._where())}{why}")


class Taking:
    """Takes the numbers that the same thread of the other run kept, as long as both make the same draws."""

    def __init__(
        self, kept: Iterator[Drawn], where: _Where, say: _Say, *, may_run_ahead: bool = False
    ) -> None:
        self._kept, self._where, self._say = kept, where, say
        self._may_run_ahead = may_run_ahead
        """Whether this thread may draw more than the other run did without a report."""
        self._stopped = False

    def exchange(self, call: DrawingCall) -> None:
        """Replace the numbers that the call drew by the other run's."""
        if self._stopped:
            return
        form, kept = form_of(call), next(self._kept, None)
        if form is None:
            self.stop(_unseen(call))
            return
        own = _drawn(call, form, self._where())
        if kept is None and self._may_run_ahead:
            self._stopped = True
        elif kept is None:
            self.stop(f"draws {own}, where the other run drew nothing more")
        elif kept.identity != own.identity:
            self.stop(f"draws {own}, where the other run drew {kept}{_at(kept)}")
        else:
            form.put(call, kept.numbers)

    def stop(self, why: str) -> None:
        """Take no more numbers, and say so once."""
        if not self._stopped:
            self._stopped = True
            self._say(f"random numbers of the other run could not be taken: {_prefix(self._where())}{why}")

    def finish(self, steps: int | None = None) -> None:
        """Report it if the other run drew more in the first `steps` steps; None for all steps."""
        with _quietly(self):
            left = None if self._stopped else next(self._kept, None)
            if left is not None and (steps is None or left.step < steps):
                self._stopped = True
                self._say(f"random numbers of the other run were left: it went on to draw {left}{_at(left)}")


class CommonDraws(OnlookingMode):
    """Exchanges the numbers of every operator that draws in its thread."""

    supports_higher_order_operators = True

    def __init__(self, side: Callable[[], DrawSide | None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._side = side
        self._draws: dict[Any, bool] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the operator; exchange the numbers that it drew."""
        kwargs = kwargs or {}
        if not isinstance(func, OpOverload):
            return self._whole(func, args, kwargs)
        draws = self._draws.get(func)
        if draws is None:
            draws = self._draws[func] = torch.Tag.nondeterministic_seeded in func.tags
        if not draws or torch.compiler.is_compiling():
            return func(*args, **kwargs)
        if has_parts(func):
            # In inference mode operators arrive whole that are otherwise seen by their parts.
            with self:
                return call_by_parts(func, args, kwargs)
        call = DrawingCall(func, args, kwargs)
        side = self._side_for(call)
        call.result = func(*args, **kwargs)
        if side is not None and not _is_unreal(call.result):
            with _quietly(side):
                side.exchange(call)
        return call.result

    def _whole(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call an operator that runs others unseen (`torch.cond`); report it if they drew numbers."""
        side = None if torch.compiler.is_compiling() else self._side()
        if side is None:
            return func(*args, **kwargs)
        before: list[bytes] = []
        with _quietly(side):
            before = _generators()
        result = func(*args, **kwargs)
        with _quietly(side):
            if _generators() != before:
                raise MismatchError(f"{func} draws and uses its random numbers within itself")
        return result

    def _side_for(self, call: DrawingCall) -> DrawSide | None:
        side, draws = self._side(), False
        # A compiler tries operators out on tensors without values; nothing is drawn then.
        if side is not None and not any(map(_is_unreal, tensors_in([call.args, call.kwargs]))):
            with _quietly(side):
                draws = not draws_nothing(call)
                call.overwritten = saved_before(call)
        return side if draws else None


@contextlib.contextmanager
def _quietly(side: DrawSide) -> Iterator[None]:
    """Work on tensors unseen by modes and autograd; no error in the block reaches the program."""
    try:
        with Unseen():
            yield
    except MismatchError as error:
        side.stop(str(error))
    except Exception as error:  # noqa: BLE001 - see above
        side.stop(f"{type(error).__name__}: {error}")


def _generators() -> list[bytes]:
    """Return the states of torch's default generators."""
    states = [torch.get_rng_state()]
    if torch.cuda.is_initialized():
        states += torch.cuda.get_rng_state_all()
    return [bytes(state.numpy()) for state in states]


def _is_unreal(result: Any) -> bool:
    """Say whether a result stands for values that do not exist (inside torch.compile and torch.export)."""
    first = result[0] if isinstance(result, tuple | list) and result else result
    return isinstance(first, torch.Tensor) and (is_fake(first) or first.is_meta)


def _drawn(call: DrawingCall, form: DrawForm, where: tuple[int, str]) -> Drawn:
    numbers = form.read(call)
    for one in numbers:
        if is_wrapper_subclass(one) or one.is_nested:
            raise MismatchError(f"{type(one).__name__} has no memory of its own")
    operator = f"{call.name}.{overload_name(call.operator)}"
    return Drawn(operator, call.family, call.parameters, numbers, *where)


def _prefix(where: tuple[int, str]) -> str:
    step, line = where
    return f"step {step}, {line}: " if line else ""


def _nowhere() -> tuple[int, str]:
    return 0, ""


def _at(drawn: Drawn) -> str:
    return f" ({drawn.where})" if drawn.where else ""


def _unseen(call: DrawingCall) -> str:
    return f"{call.name} draws and uses its random numbers within itself"


@dataclass(slots=True)
class BlockDraws:
    """The random numbers that were drawn in a block, in order."""

    drawn: list[Drawn] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Reasons why numbers could not be exchanged; if there are any, a comparison shows nothing."""


@contextlib.contextmanager
def kept_draws() -> Iterator[BlockDraws]:
    """Keep the random numbers that this thread draws in the block, in memory."""
    draws = BlockDraws()
    side = Keeping(draws.drawn.append, _nowhere, draws.problems.append)
    with CommonDraws(lambda: side):
        yield draws


@contextlib.contextmanager
def taken_draws(draws: BlockDraws) -> Iterator[list[str]]:
    """Replace what this thread draws in the block by the numbers of `draws`, in order; give the problems.

    The list is complete at the end of the block. The generators go on as they would: code that only tries
    something out must restore their states.
    """
    problems = list(draws.problems)
    side = Taking(iter(draws.drawn), _nowhere, problems.append)
    with draws_apart(), CommonDraws(lambda: side):
        yield problems
    side.finish()


@contextlib.contextmanager
def draws_apart() -> Iterator[None]:
    """Keep the draws of this thread in the block out of the exchange between two runs."""
    before = is_apart()
    _apart.now = True
    try:
        yield
    finally:
        _apart.now = before


def is_apart() -> bool:
    """Say whether the present draws of this thread are no part of the program."""
    return getattr(_apart, "now", False)
