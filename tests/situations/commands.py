"""Commands: runs over folders, standard input, names, and what cannot be written."""

from __future__ import annotations

from typing import Any

from . import Situation

TITLE = "Commands and runs"

ENCODE = ("encode", "in", "out", "--effort", "0", "--objects", "none", "--jobs", "1")


def runs(*commands: tuple[str, ...], **options: Any) -> dict[str, Any]:
    """Commands, of which the last one is looked at, in a folder with ``photo.png`` and images in ``in``.

    Args:
        commands: their arguments.
        options: ``stdin``: bytes that come without end; ``in_the_way``: a file, or with a slash a folder.
    """
    return {"make": lambda: commands, "options": options}


ROWS = [
    Situation("a folder that is encoded", "each image becomes a stream", **runs(ENCODE)),
    Situation(
        "the same again",
        "nothing is encoded again",
        "2 of 2 files are done already, as out/.sdc.encode.jsonl says; without that file they are done again",
        **runs(ENCODE, ENCODE),
    ),
    Situation(
        "the same with another quality",
        "everything is encoded again",
        "options, models or version are not those of the last run: every file is done again",
        **runs(ENCODE, (*ENCODE, "--quality", "20")),
    ),
    Situation(
        "a folder whose record cannot be written",
        "encoded",
        "no record is kept, and another run begins anew: …",
        **runs(ENCODE, in_the_way="out/.sdc.encode.jsonl/"),
    ),
    Situation(
        "a cache that cannot be written",
        "analyzed",
        "the result is not kept: could not write: …",
        **runs(("analyze", "photo.png", "-o", "o.json", "--cache", "kept"), in_the_way="kept"),
    ),
    Situation(
        "standard input without end that is no image",
        "refused after 4096 bytes",
        "not an image in a format that is read here; convert it to PNG",
        "E_PICTURE",
        **runs(("encode", "-", "o.sdc"), stdin=b"no image "),
    ),
    Situation(
        "standard input without end that is no JSON",
        "refused after 64 bytes",
        "not JSON: …",
        "E_OBJECTS",
        **runs(("encode", "photo.png", "o.sdc", "--objects", "-"), stdin=b"no JSON "),
    ),
    Situation(
        "standard input without end that is no stream",
        "refused after 4 bytes",
        "the file does not begin with the SDC magic number",
        "E_MAGIC",
        **runs(("decode", "-", "o.png"), stdin=b"no stream "),
    ),
    Situation(
        "a name that begins with a dash",
        "refused",
        "the following arguments are required: output; a file whose name begins with a dash is ./-x.jpg",
        "E_USAGE",
        **runs(("encode", "-x.jpg", "o.sdc")),
    ),
]
