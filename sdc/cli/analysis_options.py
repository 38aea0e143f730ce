"""Options of the analysis on the command line."""

from __future__ import annotations

import argparse


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
