"""Write the whole answer as JSON, to the contract `detaudit.result/1`; a session's answers as a list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from detaudit import __version__
from detaudit.errors import TraceError
from detaudit.model.codec import result_from_json, result_to_dict, result_to_json

if TYPE_CHECKING:
    from detaudit.model.result import AuditResult

NAME = "detaudit.results"
SESSION = f"{NAME}/1"
"""The schema of a session: an object with `schema`, `detaudit` and `results`, whose entries are each to the
contract `detaudit.result/1`. A session has this form even with a single result."""


def render_json(results: Sequence[AuditResult]) -> str:
    """Write the answers of a session."""
    entries = [result_to_dict(result, __version__) for result in results]
    document = {"schema": SESSION, "detaudit": __version__, "results": entries}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def is_session(content: bytes) -> bool:
    """Say whether a file's content is the answers of a session, of any version."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and str(document.get("schema")).startswith(f"{NAME}/")


def read_session(content: bytes, source: str) -> list[AuditResult]:
    """Read a session's answers back; `source` is what messages call them. Raises TraceError."""
    document = json.loads(content)
    if document["schema"] != SESSION:
        message = f"{source} has schema {document['schema']}; this detaudit reads {SESSION}"
        raise TraceError("result-version", message, "use the detaudit version that wrote it")
    entries = document.get("results")
    if not isinstance(entries, list) or not entries:
        raise TraceError("result-damaged", f"{source} holds no results", "run the tests again")
    return [
        result_from_json(json.dumps(entry), f"{source}, result {number}")
        for number, entry in enumerate(entries, 1)
    ]


def render_one(result: AuditResult) -> str:
    """One answer, to the contract."""
    return result_to_json(result, __version__)
