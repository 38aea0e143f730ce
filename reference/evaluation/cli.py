"""The command line: ``python -m sdc_reference.evaluation COMMAND``."""

from __future__ import annotations

import argparse
from types import ModuleType

from . import __doc__ as description
from .commands import (
    ablation,
    accuracy,
    agree,
    analysis,
    budget,
    checkpoints,
    compare,
    degraded,
    efforts,
    entropy,
    importance,
    integers,
    large,
    loader,
    partial,
    peers,
    presets,
    rate,
    restoration,
    restored,
    sheet,
    speed,
    summary,
    vlm,
    work,
)

COMMANDS: tuple[ModuleType, ...] = (
    rate,
    compare,
    partial,
    ablation,
    integers,
    checkpoints,
    efforts,
    sheet,
    accuracy,
    presets,
    importance,
    vlm,
    restoration,
    restored,
    degraded,
    summary,
    analysis,
    work,
    speed,
    loader,
    peers,
    entropy,
    large,
    budget,
    agree,
)
"""A module for each command: its name, its docstring for ``--help``, ``arguments`` and ``run``."""


def parser_of() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="sdc_reference.evaluation",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        words = command.__doc__ or ""
        sub = commands.add_parser(
            command.__name__.rpartition(".")[2],
            help=words.partition("\n")[0],
            description=words,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.arguments(sub)
        sub.set_defaults(run=command.run)
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run a command.

    Raises:
        SystemExit: from the command, with what is wrong.
    """
    args = parser_of().parse_args(argv)
    args.run(args)
