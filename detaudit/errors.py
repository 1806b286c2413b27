"""Every error that a user can meet: what happened, what to do about it, and the exit code.

Only the command line prints these and exits; every other room raises them.
"""

from __future__ import annotations

EXIT_REPRODUCIBLE = 0
EXIT_NOT_REPRODUCIBLE = 1
EXIT_UNVERIFIED = 2
EXIT_INTERRUPTED = 130


class DetauditError(Exception):
    """A failure that is explained to the user without a traceback.

    `slug` names the message for good (it can be searched for), `hint` says what to do next, and
    `exit_code` is what the process ends with.
    """

    exit_code = EXIT_UNVERIFIED

    def __init__(self, slug: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.slug = slug
        self.message = message
        self.hint = hint


class UsageError(DetauditError):
    """The command line or the configuration asks for something that cannot be done."""


class TargetError(DetauditError):
    """The target cannot be found, read or understood."""


class TraceError(DetauditError):
    """A trace file is missing, damaged, foreign, or of another version."""


class RunError(DetauditError):
    """A run of the target could not be started, or did not end well."""


class GitError(DetauditError):
    """git is missing, or a repository is not in the expected state."""


class LockError(DetauditError):
    """A lock is missing, damaged, of another version, or has no entries for the target."""


class TorchError(DetauditError):
    """The installed torch is older than the oldest version that detaudit supports."""


class OutputError(DetauditError):
    """A result could not be written where it was asked for."""
