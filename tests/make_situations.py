"""Writes ``docs/situations.md`` from the rows of ``tests/situations``: ``--write``, or else it compares."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import situations
from situations import Situation

PAGE = Path(__file__).resolve().parents[1] / "docs" / "situations.md"
HEAD = """# Situations

What comes of files that are unusual, damaged, or not what they seem.
The tests try every row; `make tables` writes this page from their rows.

What is said is a line on standard error, and stands in `notes` of what Python gets.
An ellipsis stands for what varies.
With `--strict`, or `strict=True`, a note is an error, exit status 64.
In a run over a folder of which other images were written, it is 3.
Its code is `E_PICTURE` if it is about the image, `E_OBJECTS` if it is about objects.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _row(row: Situation) -> str:
    said = f"`{row.code + ': ' if row.code else ''}{row.said}`" if row.said else "nothing"
    return f"| {_cell(row.given)} | {_cell(row.happens)} | {_cell(said)} |"


def rows() -> dict[str, list[Situation]]:
    """Rows of all modules by title, in the order of the modules' names."""
    modules = [import_module(f"situations.{found.name}") for found in iter_modules(situations.__path__)]
    return {module.TITLE: module.ROWS for module in modules}


def page() -> str:
    """The page as it should be."""
    text = HEAD
    for title, table in rows().items():
        text += f"\n## {title}\n\n| given | what happens | what is said |\n|---|---|---|\n"
        text += "".join(_row(row) + "\n" for row in table)
    return text


def main() -> int:
    """Write or compare; returns the exit status."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), "utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text("utf-8") == page():
        return 0
    print(f"{PAGE} is not up to date: make tables")
    return 1


if __name__ == "__main__":
    sys.exit(main())
