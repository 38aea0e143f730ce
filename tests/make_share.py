"""Brings the completions in ``sdc/share`` up to date with the commands: ``--write``, or else it compares.

They are made by shtab from the parsers themselves.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import shtab

from sdc.cli.main import sdc_parser

SHARE = Path(__file__).resolve().parents[1] / "sdc" / "share"
PATHS = ("FILE", "FOLDER", "IMAGE")
"""What a value is called that is a path."""


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from parsers(command)


def completion(shell: str) -> str:
    """What completes the command ``sdc`` in a shell: commands, options, and paths."""
    whole = sdc_parser()
    for parser in parsers(whole):
        for action in parser._actions:
            positional = not action.option_strings and action.choices is None
            if positional or action.metavar in PATHS:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    text = shtab.complete(whole, shell)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def main() -> int:
    """The script; returns its exit status."""
    stale = 0
    for shell in ("bash", "zsh"):
        path, text = SHARE / f"completion.{shell}", completion(shell)
        if "--write" in sys.argv[1:]:
            path.write_text(text, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            print(f"{path} is not up to date: make tables")
            stale += 1
    return int(stale > 0)


if __name__ == "__main__":
    sys.exit(main())
