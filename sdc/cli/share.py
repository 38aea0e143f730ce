"""``sdc share``: files that let shells and desktops know about SDC."""

from __future__ import annotations

from importlib.resources import files

from .arguments import Commands
from .messages import DONE, Args, print_out

KINDS = {
    "bash": "completion for bash",
    "zsh": "completion for zsh",
    "magic": "an entry for file(1)",
    "mime": "a media type for desktops (shared-mime-info)",
}
"""What can be printed; each is a file of :mod:`sdc.share`."""

NAMES = {"bash": "completion.bash", "zsh": "completion.zsh", "magic": "magic", "mime": "mime.xml"}


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
    command.set_defaults(run=run)


def run(args: Args) -> int:
    """Print the file; returns the exit status."""
    print_out(files("sdc").joinpath("share").joinpath(NAMES[args.kind]).read_text("utf-8"))
    return DONE
