"""Turn answers into text: one file for each format, one for the first answer, one for the output files."""
