"""Put one commit to the test: what `git bisect run` starts for `detaudit bisect`. No verb of its own."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from detaudit.cli.progress import PlainProgress
from detaudit.errors import EXIT_INTERRUPTED
from detaudit.reference.git import LOCAL, SHORT, resolve
from detaudit.reference.trial import EXIT_CODES, Trial

ABORT = 255
"""Ends the search: to git every exit code up to 127 is a verdict."""


def main_exit(saved: str) -> NoReturn:
    """Test the commit at which git is, and end with the exit code that tells git what came of it."""
    signal.signal(signal.SIGTERM, _end)
    for name in LOCAL:
        # git sets them for its children; those that are audited have a repository of their own.
        os.environ.pop(name, None)
    try:
        code = judge(Trial.load(Path(saved)))
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 - whatever it is, git must not take it for a verdict
        traceback.print_exc()
        code = ABORT
    sys.exit(code)


def judge(trial: Trial) -> int:
    """Ask the commit, note what it says, and give the exit code for it."""
    commit = resolve(Path.cwd(), "BISECT_HEAD")
    progress = PlainProgress(sys.stderr)
    progress.note(f"testing {commit[:SHORT]}")
    tried = trial.ask(commit, progress)
    trial.note(tried)
    progress.note(f"{commit[:SHORT]} is {tried.outcome.value}{f': {tried.reason}' if tried.reason else ''}")
    return EXIT_CODES[tried.outcome]


def _end(number: int, _frame: object) -> NoReturn:
    # A second signal must not interrupt the tidying up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + number)
