"""Attribute an operator that is about to run to its module, its line and its phase."""

from __future__ import annotations

import sys

import torch

from detaudit.model.trace import Phase
from detaudit.record.sites import Sites
from detaudit.record.stream import NOBODY, Owner, StreamState
from detaudit.torch_private.autograd import current_node, following_sequence_number, sequence_number

_ACCUMULATE = 2**64 - 1
"""Sequence number of the nodes that add a gradient to its leaf."""

_OWN_FRAMES = 3
"""The least number of detaudit's frames on top of the stack: of `_here`, `attribute` and its caller."""


def attribute(stream: StreamState, sites: Sites) -> tuple[Owner, Phase]:
    """Find the module and line of the operator that is about to run, and its phase.

    A node of the autograd graph is numbered before its forward operator is dispatched; in the backward
    pass the node under way has that number again. Notes the number in `stream.owners`.
    """
    node = current_node()
    if node is None:
        owner = _here(stream, sites)
        stream.owners.setdefault(following_sequence_number() - 1, owner)
        return owner, phase_of(stream)
    sequence = sequence_number(node)
    owner = NOBODY if sequence == _ACCUMULATE else stream.owners.get(sequence, NOBODY)
    # A module call in a backward pass recomputes what was not kept.
    if stream.calls or owner is NOBODY:
        owner = _here(stream, sites)
    if torch.is_grad_enabled():
        stream.owners.setdefault(following_sequence_number() - 1, owner)
    return owner, Phase.BACKWARD


def phase_of(stream: StreamState) -> Phase:
    """Where in the training a thread is."""
    if stream.calls:
        return stream.calls[-1].phase
    if stream.in_optimizer:
        return Phase.OPTIMIZER
    if stream.backward_depth:
        return Phase.BACKWARD
    if not stream.roots_since_step:
        return Phase.DATA
    if stream.backwards_since_step:
        return Phase.OPTIMIZER
    return Phase.FORWARD if torch.is_grad_enabled() else Phase.EVAL


def _here(stream: StreamState, sites: Sites) -> Owner:
    if not stream.calls:
        return ("", None, stream.step_site or sites.above(sys._getframe(_OWN_FRAMES)))
    call = stream.calls[-1]
    return (call.name.root, call.name.path, sites.above(sys._getframe(_OWN_FRAMES), call.frame, call.site))
