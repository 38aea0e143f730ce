"""Writes the registry's models into decoders that hold them in their own source.

``python -m sdc_conformance.make.registry`` prints what is stale and returns 1 when something is; ``--write``
brings it up to date.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1]
REGISTRY = FOLDER.parent / "spec" / "registry.json"
JAVASCRIPT = FOLDER / "decoders" / "javascript" / "sdc.js"
BLOCK = re.compile(r"(// <registry> [^\n]*\n).*?(// </registry>\n)", re.DOTALL)


def javascript() -> str:
    """Models and private numbers, as JavaScript."""
    models = json.loads(REGISTRY.read_text("utf-8"))["models"]
    rows = [
        f"  {{ number: {row['model']}, name: '{row['name']}', sha256: '{row['sha256']}' }},\n"
        for row in models["entries"]
    ]
    (own,) = (row for row in models["ranges"] if row["assignment"] == "private")
    return f"export const REGISTRY = [\n{''.join(rows)}];\nconst PRIVATE = [{own['from']}, {own['to']}];\n"


def render(text: str) -> str:
    """The decoder with the registry of today."""
    new, count = BLOCK.subn(lambda found: found[1] + javascript() + found[2], text)
    if count != 1:
        raise ValueError(f"{JAVASCRIPT.name} has {count} blocks for the registry")
    return new


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="sdc_conformance.make.registry", description=__doc__)
    parser.add_argument("--write", action="store_true", help="bring the decoders up to date")
    given = parser.parse_args(arguments)
    old = JAVASCRIPT.read_text("utf-8")
    new = render(old)
    if given.write:
        JAVASCRIPT.write_text(new, "utf-8")
        return 0
    name = str(JAVASCRIPT.relative_to(FOLDER.parent))
    sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), name, "generated"))
    return int(old != new)


if __name__ == "__main__":
    sys.exit(main())
