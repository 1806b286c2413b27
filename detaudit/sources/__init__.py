"""The sources of nondeterminism: how each is observed, perturbed, held fixed, and explained."""
