"""What is planted in the models of this folder: the environment says which fault, if any."""

import os


def planted(fault):
    """Say whether this fault is planted."""
    return bool(fault) and os.environ.get("PLANTED") == fault
