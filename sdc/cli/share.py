"""``sdc share``: files that let shells and desktops know about SDC."""

from __future__ import annotations

from functools import partial
from importlib.resources import files

from .arguments import Commands
from .manual import manual
from .messages import DONE, Args, print_out

KINDS = {
    "bash": "completion for bash",
    "zsh": "completion for zsh",
    "magic": "an entry for file(1)",
    "man": "a page of the manual",
    "mime": "a media type for desktops (shared-mime-info)",
    "thumbnailer": "an entry for file managers that show thumbnails",
}
"""What can be printed."""

NAMES = {
    "bash": "completion.bash",
    "zsh": "completion.zsh",
    "magic": "magic",
    "mime": "mime.xml",
    "thumbnailer": "sdc.thumbnailer",
}
"""Files of the package, but for the manual, which is made of the parsers."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "share",
        help="print what lets shells and desktops know about SDC",
        description="Print a file that lets shells or desktops know about SDC: "
        + "; ".join(f"{kind}, {words}" for kind, words in KINDS.items())
        + ". docs/desktop.md says where it goes.",
    )
    command.add_argument("kind", choices=sorted(KINDS), metavar="KIND", help=", ".join(sorted(KINDS)))
    command.set_defaults(run=partial(run, commands))


def run(commands: Commands, args: Args) -> int:
    """Print the file; returns the exit status."""
    if args.kind == "man":
        print_out(manual(commands.choices))
        return DONE
    print_out(files("sdc").joinpath("share").joinpath(NAMES[args.kind]).read_text("utf-8"))
    return DONE
