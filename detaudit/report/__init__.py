"""Answers as text: one file per format, one for what the first answer says, one for the output files."""
