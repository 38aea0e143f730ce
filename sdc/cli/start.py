"""Entry points of ``sdc`` and ``sdc-info``, which end in order while commands are being imported, too."""

from __future__ import annotations

import sys


def main() -> int:
    """The command ``sdc``; returns its exit status."""
    try:
        from . import main as commands
    except KeyboardInterrupt:
        return _interrupted("sdc")
    return commands.main()


def info_main() -> int:
    """The command ``sdc-info``; returns its exit status."""
    try:
        from . import main as commands
    except KeyboardInterrupt:
        return _interrupted("sdc-info")
    return commands.info_main()


def _interrupted(program: str) -> int:
    """What :mod:`.main` says of an interruption, and the exit status of it."""
    print(f"{program}: interrupted", file=sys.stderr)
    return 130
