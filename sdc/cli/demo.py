"""The demonstration: ``python -m sdc.cli.demo [OUT]``, with the extra ``demo`` installed.

It encodes a photograph, decodes it level by level, and prints every command before it runs it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from ..format.parse import parse
from ..types import LEVELS
from .main import info_main, main

QUALITY = "L1=40,L2=32,L3=28,other=20"


def _run(program: str, *arguments: str) -> None:
    """Print a command and run it.

    Raises:
        SystemExit: the command failed.
    """
    print(f"\n$ {program} {' '.join(arguments)}", flush=True)
    status = (info_main if program == "sdc-info" else main)(list(arguments))
    if status:
        raise SystemExit(status)


def demo(folder: Path) -> None:
    """Encode a photograph, describe the stream, decode each level, and draw the sheet.

    Args:
        folder: where everything is written; made if it is not there.

    Raises:
        SystemExit: a command failed, or scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError:
        raise SystemExit('The photograph is in scikit-image: pip install "sdc-codec[demo]"') from None
    folder.mkdir(parents=True, exist_ok=True)
    names = ("photo.png", "objects.json", "objects.png", "demo.sdc", "l1.sdc", "sheet.png")
    photo, objects, drawn, stream, first, sheet = (str(folder / name) for name in names)
    Image.fromarray(data.astronaut()).save(photo)

    _run("sdc", "encode", photo, stream, "--quality", QUALITY)
    _run("sdc-info", stream)
    head = parse(Path(stream).read_bytes())
    rows = []
    for level in head.levels:
        chosen = [k for k in head.levels if k <= level]
        name = "all" if level == head.levels[-1] else "+".join(chosen)
        image = str(folder / f"{name}.png")
        _run("sdc", "decode", stream, image, "--levels", ",".join(chosen))
        rows.append((name, head.prefix(levels=[k for k in LEVELS if k <= level]), image))
    _run("sdc", "extract", stream, first, "--levels", "L1")
    _run("sdc", "sheet", stream, sheet, "--original", photo)
    _run("sdc", "analyze", photo, "-o", objects, "--draw", drawn)

    print("\nLevels of the stream, and the bytes from its start that each needs:")
    for name, size, image in rows:
        bits = 8 * size / (head.head.width * head.head.height)
        print(f"  {name:<9} {size:>7,} bytes  {bits:.3f} bpp  {image}")
    print(f"The photograph    {photo}, NASA, in the public domain")
    print(f"What is in it     {objects}, drawn in {drawn}")
    print(f"The stream        {stream}, {Path(stream).stat().st_size:,} bytes")
    print(f"L1 alone          {first}, {Path(first).stat().st_size:,} bytes, a stream of its own")
    print(f"A sheet of it all {sheet}")


if __name__ == "__main__":
    demo(Path(sys.argv[1] if len(sys.argv) > 1 else "out"))
