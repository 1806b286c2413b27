"""What is planted in the models of this folder: the environment names the faults, if any."""

import os


def planted(fault):
    """Say whether this fault is planted."""
    return bool(fault) and fault in os.environ.get("PLANTED", "").split(",")
