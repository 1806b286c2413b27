"""Small real training programs to try detaudit on: some reproducible, some not."""
