"""Brings the example of ``docs/viewer`` up to date with model 1: ``--write``, or else it compares.

A stream that names the model's weights is kept: an encoder may give other bytes on another machine.
The original beside it is made anew only where it is missing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image
from skimage import data

import sdc
from sdc.networks.registry import load_model

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE, ORIGINAL = (ROOT / "docs" / "viewer" / name for name in ("example.sdc", "example.jpg"))
QUALITY = {"L1": 48, "L2": 40, "L3": 36, "other": 26}


def is_current() -> bool:
    """Whether the example is on the installed model 1."""
    return EXAMPLE.exists() and sdc.info(EXAMPLE)["model"]["weights"] == load_model(1).sha256[:8]


def write() -> None:
    """Encode the photograph with the objects of ``tests/astronaut.json``, a group for each."""
    photo = Image.fromarray(data.astronaut())
    if not ORIGINAL.exists():
        photo.save(ORIGINAL, quality=90, optimize=True)
    if not is_current():
        objects = sdc.Object.load(ROOT / "tests" / "astronaut.json", *photo.size)
        sdc.imwrite(EXAMPLE, photo, objects=objects, quality=QUALITY, group_by="object", pixel_masks=True)


def main() -> int:
    """The script; returns its exit status."""
    if "--write" in sys.argv[1:]:
        write()
    if is_current() and ORIGINAL.exists():
        return 0
    print(f"{EXAMPLE.relative_to(ROOT)} is not up to date: make tables")
    return 1


if __name__ == "__main__":
    sys.exit(main())
