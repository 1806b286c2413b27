"""The command line: one file per verb. Only this room prints, and only it ends the process."""
