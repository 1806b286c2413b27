"""The graph of autograd: which node is at work, and which number the next one gets."""

from __future__ import annotations

from typing import Any

import torch
from torch._C import _autograd

current_node = torch._C._current_autograd_node
"""Gives the node of a backward pass that is at work in this thread; None outside of one."""

following_sequence_number = _autograd._get_sequence_nr
"""Gives the number that the next node of this thread gets: nodes are numbered before their operators run."""


def sequence_number(node: Any) -> int:
    """Give the number of a node, by which a backward operator finds the line of its forward one."""
    # Not `operator.methodcaller`, which takes twice as long: this is asked for each operator.
    number: int = node._sequence_nr()
    return number
