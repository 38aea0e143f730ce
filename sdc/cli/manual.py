"""A page of the manual, made of the parsers as their help is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from .._version import __version__
from .messages import STATUSES

SUMMARY = "an image format in which the important things come first"


def manual(commands: Mapping[str, argparse.ArgumentParser]) -> str:
    """The page ``sdc(1)`` in roff, with the macros of man.

    Args:
        commands: parsers by the names of their commands.
    """
    lines = [
        f'.TH SDC 1 "" "sdc {_text(__version__)}"',
        *(".nh", ".ad l"),  # options are not hyphenated
        *(".SH NAME", f"sdc \\- {SUMMARY}"),
        *(".SH SYNOPSIS", ".B sdc", ".I COMMAND", "\\&..."),
        ".SH COMMANDS",
    ]
    for name, parser in commands.items():
        lines += _command(name, parser)
    lines.append(".SH EXIT STATUS")
    for status, words in STATUSES.items():
        lines += [".TP", str(status), _text(words)]
    return "".join(line + "\n" for line in lines)


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """A command: how it is called, what it does, its arguments."""
    formatter = parser._get_formatter()
    called = parser.format_usage().partition(":")[2].split()
    yield from (f".SS sdc {_text(name)}", _text(" ".join(called)))
    yield from (".PP", _text(parser.description or ""))
    for action in parser._actions:
        if action.help is None or action.dest == "help":
            continue
        shown = formatter._format_action_invocation(action)
        yield from (".TP", f".B {_text(shown)}", _text(formatter._expand_help(action)))
    if parser.epilog:
        yield from (".PP", _text(parser.epilog))


def _text(words: str) -> str:
    """A text without what roff would take for its own."""
    plain = " ".join(words.split()).replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + plain if plain.startswith((".", "'")) else plain
