"""A seed counts for the process that it was given in: each rank has generators of its own."""

from __future__ import annotations

import pytest

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, EntryPair, Fact, LedgerEntry, Whose
from detaudit.model.trace import Site, StreamRole
from detaudit.sources.catalogue import BY_NAME
from detaudit.sources.observation import Observation


def entry(stream, line, sequence, fact, digests):
    operation = "torch.manual_seed" if fact.act is Act.SEEDS else "aten.uniform_.default"
    site = Site("train.py", line, "<module>", "...")
    what = ("torch-random", operation, fact, "init", site, line.to_bytes(8, "big"))
    made = [LedgerEntry(1, 0, "MainThread", True, sequence, *what, 1, 1, one, "0") for one in digests]  # noqa: FBT003 - in the main thread
    return EntryPair(stream, StreamRole.RANK, *made)


def named(seeded_in):
    """Name a draw of rank 1 on line 7, where a rank is seeded on line 13 afterwards."""
    draw = entry("rank 1", 7, 1, Fact(Act.DRAWS, Whose.GLOBAL_UNSEEDED), (b"a", b"b"))
    seed = entry(seeded_in, 13, 2, Fact(Act.SEEDS, Whose.GLOBAL), (b"a", b"a"))
    seen = Observation(None, None, (draw,), (draw, seed))
    return BY_NAME["torch-random"].name_fault(seen)


TOO_LATE, NEVER = Cause.SEED_ORDER, Cause.UNSEEDED_TORCH


@pytest.mark.parametrize(
    ("seeded_in", "cause"), [("rank 1", TOO_LATE), ("rank 0", NEVER), ("rank 10", NEVER)]
)
def test_only_a_seed_of_its_own_rank_comes_too_late_for_a_draw(seeded_in, cause):
    assert named(seeded_in).cause is cause


def test_it_is_said_that_another_rank_is_seeded():
    assert "nothing has seeded on rank 1; rank 0 seeds its own on line 13" in named("rank 0").message
