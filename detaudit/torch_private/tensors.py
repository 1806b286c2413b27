"""Tensors of unusual kinds, their memory, and the tensors within arguments of any form."""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import torch
from torch._C import _functorch
from torch.utils import _python_dispatch, _pytree

is_wrapped_by_functorch = _functorch.is_functorch_wrapped_tensor
"""Tells tensors that stand for all values that vmap or grad computes with at once."""

unwrapped = _functorch.get_unwrapped
"""Gives the tensor of all these values."""

is_wrapper_subclass = _python_dispatch.is_traceable_wrapper_subclass
"""Tells tensors that are made of other tensors, and name these."""

is_zero_tensor = torch.Tensor._is_zerotensor
"""Tells tensors of zeros that have no memory."""

negative_view = torch._neg_view
"""Gives a tensor that is lazily negated, as the imaginary part of a conjugate is."""

overlaps_itself = torch._debug_has_internal_overlap
"""Tells tensors that have several elements in one place, which cannot be written to."""

sparse_indices: Callable[[torch.Tensor], torch.Tensor] = torch.Tensor._indices
"""Gives the indices of a sparse tensor as they lie there, not coalesced."""

sparse_values: Callable[[torch.Tensor], torch.Tensor] = torch.Tensor._values
"""Gives the values of a sparse tensor as they lie there, not coalesced."""

storage_identity: Callable[[torch.UntypedStorage], Any] = attrgetter("_cdata")
"""Gives one number for each storage: `untyped_storage()` gives a new Python object each time."""

TreeSpec = _pytree.TreeSpec
"""Holds the form of nested arguments, to be put together again."""

tree_flatten = _pytree.tree_flatten
"""Takes nested arguments apart into a list and a form, as the modules of torch itself do."""

tree_unflatten = _pytree.tree_unflatten
"""Puts nested arguments together again."""

tree_leaves = _pytree.tree_leaves
"""Lists the leaves of nested arguments."""


def is_fake(tensor: torch.Tensor) -> bool:
    """Say whether a tensor stands for values that do not exist (inside torch.compile and torch.export)."""
    # By name: importing torch._subclasses costs time that most programs never need.
    name = type(tensor).__name__
    return name == "FakeTensor" or (name == "FunctionalTensor" and torch._is_functional_tensor(tensor))


def is_awaited(tensor: torch.Tensor) -> bool:
    """Say whether a tensor is the result of a collective operation that nobody has waited for yet."""
    module = sys.modules.get("torch.distributed._functional_collectives")
    return module is not None and isinstance(tensor, module.AsyncCollectiveTensor) and not tensor.completed
