"""Runs a command."""

import sys

try:
    from .cli import main
except ModuleNotFoundError as error:
    if error.name is None or error.name.startswith("sdc"):
        raise
    sys.exit(f'{error.name} is not installed; pip install ".[evaluation]" brings what the evaluation needs')

if __name__ == "__main__":
    main()
