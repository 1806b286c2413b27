"""Environment variables that speak to an audited process. Imports nothing: read before its program starts."""

SESSION = "DETAUDIT_SESSION"
"""The path of the session's JSON file; inherited by child processes."""

LEDGER = "DETAUDIT_INTERNAL_LEDGER"
"""Set where the session asks for a ledger, so that taps are put in place before the program starts."""

PADDING = "DETAUDIT_INTERNAL_PADDING"
"""A variable without a meaning: its length moves everything that lies behind the environment in memory."""
