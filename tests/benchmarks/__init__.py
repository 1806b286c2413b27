"""Commands that measure detaudit on a folder of programs."""
