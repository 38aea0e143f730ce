"""Runs a command."""

from . import main

if __name__ == "__main__":
    main()
