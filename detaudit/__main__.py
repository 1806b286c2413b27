"""`python -m detaudit`: the same program as `detaudit`."""

from detaudit.cli.main import main_exit

if __name__ == "__main__":
    main_exit()
