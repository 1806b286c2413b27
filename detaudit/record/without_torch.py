"""Write the ledger of a process that never imports torch: its draws may reach the training all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detaudit.model.trace import StreamRole
from detaudit.trace.writer import TraceWriter

if TYPE_CHECKING:
    from detaudit.record.session import Session
    from detaudit.record.sites import Sites
    from detaudit.sources.ledger import Ledger

_STREAM, _STEP = 1, 0


def write_ledger(session: Session, sites: Sites, ledger: Ledger) -> None:
    """Write all notes as those of a process that takes no steps; write nothing if there are none."""
    entries = list(ledger.take())
    if not entries:
        return
    writer = TraceWriter(session.trace_path())
    for name, value in {**session.header(), "finished": True}.items():
        writer.set_meta(name, value)
    sites.announce_to(writer)
    writer.add_stream(_STREAM, StreamRole.PROCESS, session.process_name(), "main")
    for thread, one in entries:
        what = (one.sequence, one.source, one.operation, *one.fact, one.phase, one.site)
        writer.add_ledger((_STREAM, _STEP, *thread, *what, one.count, one.amount, one.digest, one.shown))
    writer.close()
