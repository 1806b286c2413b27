"""Environment variables that speak to an audited process. Imports nothing: read before its program starts."""

SESSION = "DETAUDIT_SESSION"
"""The path of the session's JSON file; inherited by child processes."""

LEDGER = "DETAUDIT_INTERNAL_LEDGER"
"""Set where the session asks for a ledger, so that taps are put in place before the program starts."""

PADDING = "DETAUDIT_INTERNAL_PADDING"
"""A variable without a meaning: its length moves everything that lies behind the environment in memory."""

RECORD = "DETAUDIT_RECORD"
"""A folder: each Python that starts with this variable, and uses torch, leaves its trace there."""

PARENT = "DETAUDIT_INTERNAL_PARENT"
"""Where the recorded process that has started this one keeps its traces until it ends."""

LAUNCH = "DETAUDIT_INTERNAL_LAUNCH"
"""The launch that this process belongs to, as its first Python has named it, or why it is not recorded."""
