"""Options of the analysis on the command line."""

from __future__ import annotations

import argparse
import os

from ..analysis.choice import chosen_providers
from ..analysis.interfaces import Options
from ..analysis.registry import PROVIDERS
from ..errors import SdcError

SETTINGS = {"url": "SDC_CHAT_URL", "model": "SDC_CHAT_MODEL", "key": "SDC_CHAT_KEY"}
"""Variables of the environment that stand for options not given."""


def _words(text: str) -> tuple[str, ...]:
    words = tuple(part.strip() for part in text.split(",") if part.strip())
    if not words:
        raise argparse.ArgumentTypeError("words such as dog, bicycle")
    return words


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 86400:
        raise argparse.ArgumentTypeError(f"seconds above 0, not {text}")
    return value


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the analysis to a command."""
    add = command.add_argument_group(
        "analysis", "What is in the picture and how much it matters; by default the regions that stand out."
    ).add_argument
    add("--find", type=_words, default=(), metavar="WORDS", help='what to look for: "dog, bicycle"')
    add("--for", dest="purpose", default="", metavar="TASK", help='what ranks serve: "read the number plate"')
    add("--detector", default="", metavar="FILE", help="ONNX detector or segmenter in Ultralytics' format")
    add("--saliency", default="", metavar="FILE", help="ONNX network of salient objects, such as U2-Netp")
    add("--vocabulary", default="", metavar="FILE", help="text file of words to look for, one per line")
    add(
        "--chat", dest="url", metavar="URL", help="chat endpoint that ranks, such as http://localhost:8000/v1"
    )
    add("--chat-model", dest="chat_model", metavar="NAME", help="model there, or one of transformers")
    add("--chat-key", dest="key", metavar="KEY", help="key of the endpoint; better in SDC_CHAT_KEY")
    add("--text-only", action="store_true", help="the model cannot see: send it no picture")
    add("--timeout", type=_seconds, default=60.0, metavar="S", help="seconds for a request (%(default)s)")
    add("--grounding", default="", metavar="NAME", help="salient, onnx, saliency, dino or another provider")
    add("--grounding-model", default="", metavar="NAME", help="network of dino: a folder or a name")
    add("--masks", default="", metavar="NAME", help="salient, sam, sam2 or another provider")
    add("--masks-model", default="", metavar="NAME", help="network of sam or sam2: a folder or a name")
    add("--tags", default="", metavar="NAME", help="file, chat, internvl or another provider")
    add("--ranking", default="", metavar="NAME", help="default, chat, internvl or another provider")
    add("--device", default="cpu", help="where networks of transformers run (%(default)s)")
    add("--cache", metavar="FOLDER", help="keep results here, by picture and options")


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
    given = {"url": args.url, "model": args.chat_model, "key": args.key}
    for name, variable in SETTINGS.items():
        found[name] = given[name] if given[name] is not None else os.environ.get(variable, "")
    options = Options(**found)
    chosen = chosen_providers(options)
    asked = {chosen["tags"], chosen["ranking"]}
    if asked <= {"", *PROVIDERS["tags"], *PROVIDERS["ranking"]}:  # others may look at what they like
        for option, value, takers in (
            ("--chat", args.url, {"chat"}),
            ("--chat-key", args.key, {"chat"}),
            ("--chat-model", args.chat_model, {"chat", "internvl"}),
            ("--text-only", args.text_only, {"chat", "internvl"}),
        ):
            if value and not asked & takers:
                message = "has no effect: no step is by " + " or ".join(sorted(takers))
                raise SdcError("E_USAGE", message, option)
    return options
