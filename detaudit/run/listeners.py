"""Choose the listeners of a run: only this module decides, by what the run's session asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detaudit.model.trace import Level

if TYPE_CHECKING:
    from detaudit.record.install import Attach
    from detaudit.record.session import Session


def listeners_of(session: Session) -> list[Attach]:
    """Return what attaches each listener. Few runs have any, so what they need is imported here."""
    draws, values, capture = session.draws, session.values, session.capture
    found: list[Attach] = []
    if draws is not None:
        from detaudit.replay.draws.exchange import exchange_draws

        found.append(lambda recorder, _: exchange_draws(recorder, draws))
    if capture is not None and session.level is Level.OP:
        from detaudit.replay.operators.save_call import save_one_call

        found.append(lambda recorder, _: save_one_call(recorder, capture))
    if values is not None and session.level is Level.OP:
        from detaudit.replay.operators.keep_step import exchange_values

        found.append(lambda recorder, _: exchange_values(recorder, values))
    if values is not None and session.level is Level.LAYER:
        from detaudit.replay.modules.values import LayerValues

        found.append(lambda recorder, names: LayerValues(recorder, names, values))
    return found
