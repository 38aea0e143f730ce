"""Options of the analysis on the command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterable
from typing import Any

from ..analysis.choice import chosen_providers
from ..analysis.interfaces import Options
from ..analysis.registry import PROVIDERS
from ..errors import SdcError

SETTINGS = {
    "url": "SDC_CHAT_URL",
    "model": "SDC_CHAT_MODEL",
    "key": "SDC_CHAT_KEY",
    "proxy": "SDC_CHAT_PROXY",
}
"""Variables of the environment that stand for options not given."""


def _words(text: str) -> tuple[str, ...]:
    words = tuple(part.strip() for part in text.split(",") if part.strip())
    if not words:
        raise argparse.ArgumentTypeError("give words such as dog, bicycle")
    return words


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 86400:
        raise argparse.ArgumentTypeError(f"give seconds above 0 and below 86400, not {text}")
    return value


Option = tuple[str, dict[str, Any]]

MAIN: tuple[Option, ...] = (
    ("--find", {"type": _words, "default": (), "metavar": "WORDS", "help": 'look for these: "dog, bicycle"'}),
    ("--for", {"dest": "purpose", "default": "", "metavar": "TASK", "help": "task that the ranking serves"}),
    ("--detector", {"default": "", "metavar": "FILE", "help": "ONNX file of a detector or segmenter"}),
    ("--chat", {"dest": "url", "metavar": "URL", "help": "chat endpoint whose model ranks the objects"}),
    ("--chat-model", {"metavar": "NAME", "help": "model of the chat endpoint"}),
)
"""Options that ``sdc encode`` has too."""

STEPS: tuple[Option, ...] = (
    ("--grounding", {"default": "", "metavar": "NAME", "help": "boxes: salient, onnx, saliency, dino, ..."}),
    ("--masks", {"default": "", "metavar": "NAME", "help": "outlines: salient, sam, sam2, ..."}),
    ("--tags", {"default": "", "metavar": "NAME", "help": "words to look for: file, chat, internvl, ..."}),
    ("--ranking", {"default": "", "metavar": "NAME", "help": "levels: default, chat, internvl, ..."}),
    ("--gaps", {"default": "", "metavar": "NAME", "help": "what a detector missed: finder, none, ..."}),
    ("--saliency", {"default": "", "metavar": "FILE", "help": "ONNX network of salient objects (U2-Netp)"}),
    (
        "--vocabulary",
        {"default": "", "metavar": "FILE", "help": "text file of words to look for, one a line"},
    ),
    ("--grounding-model", {"default": "", "metavar": "NAME", "help": "network of dino: a folder or a name"}),
    (
        "--masks-model",
        {"default": "", "metavar": "NAME", "help": "network of sam, sam2: a folder or a name"},
    ),
    ("--device", {"default": "cpu", "help": "where networks of transformers run (default %(default)s)"}),
)
"""Which provider does each step, and with which network."""

REQUESTS: tuple[Option, ...] = (
    ("--chat-key", {"dest": "key", "metavar": "KEY", "help": "key of the endpoint; better in SDC_CHAT_KEY"}),
    (
        "--chat-proxy",
        {"dest": "proxy", "metavar": "URL", "help": "proxy to the endpoint; else none, whatever is set"},
    ),
    ("--text-only", {"action": "store_true", "help": "the model cannot see: send it no image"}),
    (
        "--timeout",
        {"type": _seconds, "default": 60.0, "metavar": "S", "help": "seconds for a request (default 60)"},
    ),
    ("--cache", {"metavar": "FOLDER", "help": "keep results there, by image and options"}),
)
"""How a chat endpoint is asked, and what is kept."""


def add_options(command: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Add the options of the analysis to a command; those left out have their defaults."""
    for title, description, options in (
        ("analysis", "What to look for; without options, the things that stand out.", MAIN),
        ("providers", "Who does each step: one of those named, or of another package.", STEPS),
        ("requests", "How models are asked.", REQUESTS),
    ):
        _add(command, title, description, [option for option in options if option[0] not in without])
        _leave_out(command, [option for option in options if option[0] in without])


def add_main_options(command: argparse.ArgumentParser) -> None:
    """Add the options that matter most; the others have their defaults."""
    told = "How the objects are found where no --objects are given; sdc analyze has more options."
    _add(command, "analysis", told, MAIN)
    _leave_out(command, STEPS + REQUESTS)


def is_detailed(argument: str) -> bool:
    """Whether an argument is an option of the analysis that ``sdc encode`` does not have."""
    return argument.split("=")[0] in {name for name, _ in STEPS + REQUESTS}


def _add(command: argparse.ArgumentParser, title: str, description: str, options: Iterable[Option]) -> None:
    group = command.add_argument_group(title, description)
    for name, told in options:
        group.add_argument(name, **told)


def _leave_out(command: argparse.ArgumentParser, options: Iterable[Option]) -> None:
    for name, told in options:
        absent = False if "action" in told else None
        place = told.get("dest", name.removeprefix("--").replace("-", "_"))
        command.set_defaults(**{place: told.get("default", absent)})


def options_of(args: argparse.Namespace) -> Options:
    """What the arguments ask for, and the environment where they are silent.

    Raises:
        SdcError: ``E_USAGE`` for arguments about a model that nothing asks; variables of the environment may
            stay unused.
    """
    found = {
        name: getattr(args, name)
        for name in Options.__dataclass_fields__
        if name not in SETTINGS and hasattr(args, name)
    }
    given = {"url": args.url, "model": args.chat_model, "key": args.key, "proxy": args.proxy}
    for name, variable in SETTINGS.items():
        found[name] = given[name] if given[name] is not None else os.environ.get(variable, "")
    options = Options(**found)
    chosen = chosen_providers(options)
    asked = {chosen["tags"], chosen["ranking"]}
    if asked <= {"", *PROVIDERS["tags"], *PROVIDERS["ranking"]}:  # others may look at what they like
        for option, value, takers in (
            ("--chat", args.url, {"chat"}),
            ("--chat-key", args.key, {"chat"}),
            ("--chat-proxy", args.proxy, {"chat"}),
            ("--chat-model", args.chat_model, {"chat", "internvl"}),
            ("--text-only", args.text_only, {"chat", "internvl"}),
        ):
            if value and not asked & takers:
                message = "has no effect: no step is by " + " or ".join(sorted(takers))
                raise SdcError("E_USAGE", message, option)
    return options
