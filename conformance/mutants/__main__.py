"""``python -m sdc_conformance.mutants``: one of them as a decoder, or the suite against all."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import __doc__ as about
from .catalogue import MUTANTS, find
from .enemies import ENEMIES, behave
from .plant import Finder


def play(name: str, words: Sequence[str]) -> int:
    """Be a mutant, an enemy or an encoder with a fault; returns the exit status."""
    if name in ENEMIES:
        return behave(name, words)
    if any(m.name == name for m in MUTANTS):
        os.environ["SDC_CORE"] = "numpy"  # the bug is planted in Python
        sys.meta_path.insert(0, Finder(find(name)))  # before anything of sdc is imported
        from ..adapter import main as adapt

        return adapt(words)
    from .. import adapter
    from .encoders import faulty_encoder

    adapter.encode_answer = faulty_encoder(name)
    return adapter.main(words)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given and not given[0].startswith("-"):
        return play(given[0], given[1:])
    from .survey import everyone, record, survey

    parser = argparse.ArgumentParser(prog="sdc_conformance.mutants", description=about)
    parser.add_argument("--only", nargs="*", help="names of some mutants")
    parser.add_argument("--write", action="store_true", help="record the result in kills.json")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    options = parser.parse_args(given)
    rows = []
    for row in survey(options.only or everyone(), options.jobs):
        rows.append(row)
        if options.write:
            record([row])
    killed = sum(row["found"] == row["tier"] for row in rows)
    print(f"{killed} of {len(rows)} mutants killed at their tier, {killed / len(rows):.1%}")
    return 0 if killed == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
