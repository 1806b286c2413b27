"""Which listeners a run has follows from what its session asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detaudit.model.plan import Capture, Exchange, Part
from detaudit.model.trace import Level
from detaudit.record.session import Session
from detaudit.run.listeners import listeners_of


@pytest.mark.parametrize(
    ("level", "asked", "count"),
    [
        (Level.OP, (), 0),
        (Level.STEP, ("draws", "values", "capture"), 1),
        (Level.LAYER, ("draws", "values", "capture"), 2),
        (Level.OP, ("draws", "values", "capture"), 3),
        (Level.OP, ("capture",), 1),
    ],
)
def test_a_run_has_the_listeners_that_its_session_asks_for_and_its_level_can_tell(
    tmp_path, level, asked, count
):
    exchange = Exchange(tmp_path, Part.KEEPS)
    wanted = {"draws": exchange, "values": exchange, "capture": Capture(0, "aten.mm.default", 0)}
    session = Session(str(tmp_path), level, "test", {}, None, None, is_main=True)
    assert len(listeners_of(replace(session, **{name: wanted[name] for name in asked}))) == count
