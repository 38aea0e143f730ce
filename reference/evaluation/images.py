"""Images from folders."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from sdc.objects.object import Object
from sdc.types import Pixels

SUFFIXES = frozenset({".avif", ".jpg", ".jpeg", ".png", ".webp"})


def image_paths(folder: Path) -> list[Path]:
    """The images of a folder, by name.

    Raises:
        SystemExit: there are none.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        sys.exit(f"no images in {folder}")
    return paths


def read_image(path: Path) -> Pixels:
    """Pixels of an image, ``uint8 [H, W, 3]``."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def photographs(folder: Path) -> Iterator[tuple[str, Pixels]]:
    """Names and pixels of the images in a folder."""
    for path in image_paths(folder):
        yield path.name, read_image(path)


def coco_path(folder: Path, name: str) -> Path:
    """Where an image of COCO's ``instances.json`` is: beside it or in ``images/``."""
    return folder / "images" / name if (folder / "images").is_dir() else folder / name


def profile_of(path: Path) -> bytes | None:
    """The ICC profile of an image, if it carries one."""
    with Image.open(path) as image:
        profile: bytes | None = image.info.get("icc_profile")
        return profile


def coco_images(folder: Path) -> Iterator[tuple[str, Pixels, list[Object]]]:
    """Names, pixels and objects of the images that ``instances.json`` names, as far as they are there."""
    source = json.loads((folder / "instances.json").read_text())
    for row in source["images"]:
        name = row["file_name"]
        path = coco_path(folder, name)
        if path.is_file():
            pixels = read_image(path)
            yield name, pixels, Object.load(source, pixels.shape[1], pixels.shape[0], name)
