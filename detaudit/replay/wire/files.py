"""Name the files that a run leaves in a folder, for their writers and their readers."""

LAYERS = "layers.json"
"""In the second run's folder: its measurements of the modules of a step."""

KEPT = "kept.jsonl"
"""In the folder that two runs exchange values through: the first run's operator calls."""

ANSWERS = "answers.jsonl"
"""In the second run's folder: its answer to each of these calls."""

AGAIN = "again.jsonl"
"""Beside the kept calls: the numbers of the calls that a further run must make several times."""

FLOAT64 = "float64"
"""In the folder that two runs exchange values through: the folder of a third run, all in float64."""

CAPTURED = "operator.pt"
"""In a run's folder: the arguments of the operator call that had to be saved."""

NAMED = "named.txt"
"""In a run's folder: settings that were chosen for the exchange of random numbers, a line each."""
