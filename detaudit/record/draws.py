"""Note torch's draws and reads of fresh memory in the ledger; isolate draws of side threads or lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from detaudit.digest.tensor import UndigestableError, tensor_digest
from detaudit.model.ledger import Act, Fact, Whose
from detaudit.record.schema import OperatorPlan
from detaudit.record.shared_data import SharedData
from detaudit.sources import memory, torch_random
from detaudit.sources.side_draws import isolates
from detaudit.sources.taps import Taps
from detaudit.torch_private.by_name import generator_identity
from detaudit.torch_private.modes import OnlookingMode, Unseen
from detaudit.torch_private.operators import OpOverload
from detaudit.torch_private.tensors import is_fake

_NOTHING = b""
_OWN, _SEEDED = Fact(Act.DRAWS, Whose.OWN), Fact(Act.DRAWS, Whose.GLOBAL)
_UNSEEDED = Fact(Act.DRAWS, Whose.GLOBAL_UNSEEDED)


class DrawWatch:
    """Sees every operator of the process, in the window or not."""

    def __init__(self, taps: Taps) -> None:
        self._taps = taps
        self._fresh: dict[int, tuple[StorageWeakRef, bytes]] = {}
        """Memory that nothing has written since, by its address, and the line that got it."""
        self._shared = SharedData(taps)

    @property
    def has_fresh(self) -> bool:
        """Whether some memory was never written: only then must reads and writes be checked."""
        return bool(self._fresh)

    @property
    def follows_threads(self) -> bool:
        """Whether several threads may touch the same tensors."""
        return self._taps.several_threads

    def before(self, plan: OperatorPlan, args: Any, kwargs: Any) -> None:
        """Note reads of fresh memory."""
        for position, name in plan.read:
            item = args[position] if position < len(args) else kwargs.get(name)
            for tensor in _tensors(item):
                storage, site = self._fresh.pop(_address(tensor), (None, b""))
                # An address comes back for memory that was made and written behind the operators.
                if storage is not None and not storage.expired():
                    self._taps.ledger.note(
                        memory.NAME, "torch.empty", site, _NOTHING, memory.READ, shown=plan.name
                    )

    def after(self, plan: OperatorPlan, args: Any, kwargs: Any, result: Any) -> None:
        """Note a draw, and keep account of the memory that is fresh and of the memory that is shared."""
        if plan.draws:
            self._note_draw(plan, kwargs.get("generator"), result)
        is_empty = plan.makes_fresh
        if is_empty or self._fresh:
            written = [args[position] for position, _ in plan.changed if position < len(args)]
            for tensor in _tensors([result, *written]):
                self._account(tensor, is_empty=is_empty)
        if self._taps.several_threads and not plan.skip:
            read = [one for one in plan.read if one not in plan.changed]
            self._shared.accessed(plan.name, _given(read, args, kwargs), _given(plan.changed, args, kwargs))

    def _note_draw(self, plan: OperatorPlan, generator: Any, result: Any) -> None:
        taps = self._taps
        tensors = [tensor for tensor in _tensors(result) if not is_fake(tensor)]
        fact = _OWN
        default = torch.default_generator
        if generator is None or generator_identity(generator) == generator_identity(default):
            fact = _SEEDED if taps.torch_seeded else _UNSEEDED
        taps.ledger.note(
            torch_random.NAME,
            plan.name,
            taps.lines.here(),
            b"".join(map(_digest, tensors)),
            fact,
            amount=sum(tensor.numel() for tensor in tensors),
        )

    def _account(self, tensor: torch.Tensor, *, is_empty: bool) -> None:
        address = _address(tensor)
        if is_empty:
            if tensor.numel() and address:
                ref = StorageWeakRef(tensor.untyped_storage())
                self._fresh[address] = (ref, self._taps.lines.here())
        elif tensor.nbytes >= _whole(tensor):
            # Written only in part, the rest is as fresh as before.
            self._fresh.pop(address, None)


def _given(places: Sequence[tuple[int, str]], args: Any, kwargs: Any) -> list[torch.Tensor]:
    items = (args[at] if at < len(args) else kwargs.get(name) for at, name in places)
    return [tensor for item in items for tensor in _tensors(item)]


def _tensors(item: Any) -> Iterator[torch.Tensor]:
    if isinstance(item, torch.Tensor):
        yield item
    elif isinstance(item, list | tuple):
        for inner in item:
            yield from _tensors(inner)


def _address(tensor: torch.Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        # Sparse, fake and wrapped tensors have no memory of their own.
        return 0


def _whole(tensor: torch.Tensor) -> int:
    try:
        return tensor.untyped_storage().nbytes()
    except (RuntimeError, NotImplementedError):
        return 0


def _digest(tensor: torch.Tensor) -> bytes:
    try:
        return tensor_digest(tensor)
    except UndigestableError:
        return _NOTHING


class IsolatedDraws(OnlookingMode):
    """Gives the default generator back, after each draw, the state that it had before."""

    supports_higher_order_operators = True

    def __init__(self, taps: Taps) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._taps = taps

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the operator."""
        kwargs = kwargs or {}
        if not isinstance(func, OpOverload):
            return func(*args, **kwargs)
        if torch.Tag.nondeterministic_seeded not in func.tags or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        if not isolates(self._taps):
            return func(*args, **kwargs)
        with Unseen():
            state = torch.default_generator.get_state()
        result = func(*args, **kwargs)
        with Unseen():
            torch.default_generator.set_state(state)
        return result
