"""``sdc find``, ``sdc stat`` and ``sdc to-coco``: answers about many streams that need no pixel."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from ..answers.coco import to_coco
from ..answers.find import find
from ..answers.stat import stat, table_of
from ..errors import SdcError
from ..format.text import printable
from ..types import Limits
from .arguments import Commands, label_argument, levels_argument, limit_argument, url_arguments
from .files import PIPE, access_of, write_whole
from .messages import DONE, Args, message_line, print_err, print_out, worst_status

Answer = Callable[[Args, Callable[[str, SdcError], None]], None]


def add(commands: Commands) -> None:
    """Add the three commands."""
    _add_find(commands)
    _add_stat(commands)
    _add_to_coco(commands)


def _add_find(commands: Commands) -> None:
    command = commands.add_parser(
        "find",
        help="which streams show what",
        description="Print the paths of streams that describe such objects. No pixel is decoded.",
    )
    _sources(command)
    label_argument(command, "what it is, such as dog; given again: or this", required=False)
    levels_argument(command, "its level: 1, 2, 3, other, or several")
    command.add_argument("--score", type=_score, default=0.0, metavar="S", help="at least this, 0 to 1")
    _json(command, "a line of JSON for each object, in place of paths")
    command.set_defaults(run=partial(_run, _find))


def _add_stat(commands: Commands) -> None:
    command = commands.add_parser(
        "stat",
        help="bytes by level, of many streams",
        description="Print how many bytes each level takes. No pixel is decoded.",
    )
    _sources(command)
    _json(command, "a line of JSON for each stream, in place of the table")
    command.set_defaults(run=partial(_run, _stat))


def _add_to_coco(commands: Commands) -> None:
    command = commands.add_parser(
        "to-coco",
        help="objects of many streams as COCO's instances.json",
        description="Print the objects of streams as COCO's instances.json. No pixel is decoded.",
    )
    _sources(command)
    command.add_argument("-o", "--output", default=PIPE, metavar="FILE", help="file, in place of printing")
    command.add_argument("--no-masks", action="store_true", help="leave pixel masks out, which is faster")
    command.set_defaults(run=partial(_run, _to_coco))


def _sources(command: argparse.ArgumentParser) -> None:
    command.add_argument("sources", nargs="+", metavar="FOLDER", help="folders, streams, or URLs")
    limit_argument(command)
    url_arguments(command)


def _json(command: argparse.ArgumentParser, words: str) -> None:
    command.add_argument("--json", action="store_true", help=words)


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise argparse.ArgumentTypeError(f"a score is a number of 0 to 1, not {text}")
    return score


def _run(answer: Answer, args: Args) -> int:
    """Answer, and tell of streams that cannot be read; returns the exit status."""
    statuses = [DONE]

    def tell(path: str, error: SdcError) -> None:
        statuses.append(error.exit_status)
        print_err(message_line(args.program, error, path))

    answer(args, tell)
    return worst_status(statuses)


def _how(args: Args) -> dict[str, Any]:
    """Limits, and what is allowed of URLs."""
    return {"limits": Limits(pixels=args.max_pixels), "access": access_of(args)}


def _find(args: Args, tell: Callable[[str, SdcError], None]) -> None:
    last = None
    matches = find(
        args.sources, args.label, levels=args.levels, score=args.score, **_how(args), on_error=tell
    )
    for path, o in matches:
        if args.json:
            row = {"path": path, "label": o.label, "level": str(o.level), "score": round(o.score, 4)}
            print_out(json.dumps({**row, "box": list(o.box), "group": o.group}) + "\n")
        elif path != last:
            print_out(printable(path) + "\n")
        last = path
    if last is None:
        print_err(message_line(args.program, "note: no stream describes such an object"))


def _stat(args: Args, tell: Callable[[str, SdcError], None]) -> None:
    stats = stat(args.sources, **_how(args), on_error=tell)
    if args.json:
        for one in stats:
            print_out(json.dumps(one.as_dict()) + "\n")
    else:
        print_out(table_of(stats))


def _to_coco(args: Args, tell: Callable[[str, SdcError], None]) -> None:
    sources = args.sources[0] if len(args.sources) == 1 else args.sources
    found = to_coco(sources, masks=not args.no_masks, **_how(args), on_error=tell)
    write_whole(args.output, (json.dumps(found, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
