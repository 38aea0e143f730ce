"""Images and what is known about them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from .images import image_paths
from .precision import true_objects


@dataclass(frozen=True)
class LabelledImage:
    """An image of a data set.

    Attributes:
        path: of its file.
        truth: what an evaluator should answer: annotations, or a label; None where nobody knows.
        called: its name in ``instances.json``, perhaps with a folder.
    """

    path: Path
    truth: Any = None
    called: str = ""

    @property
    def name(self) -> str:
        """That of ``instances.json``, or that of its file."""
        return self.called or self.path.name


def instances_of(folder: Path) -> Path | None:
    """COCO's ``instances.json`` of a folder, if it is there."""
    path = folder / "instances.json"
    return path if path.is_file() else None


def load_images(folder: Path, classes: Path | None = None) -> list[LabelledImage]:
    """The images of a folder.

    Args:
        folder: with images, or with ``instances.json`` and those that it names, there or in ``images/``.
        classes: JSON list of class names, each of one name or of several with commas between; the class of a
            image is then that in its name, ``WORDNETID_name.jpg``.

    Raises:
        SystemExit: there are none.
        ValueError: one is not of the size that ``instances.json`` says, so its boxes are those of another.
    """
    if classes is not None:
        paths = image_paths(folder)
        labels = labels_of([path.stem for path in paths], json.loads(classes.read_text()))
        for path in paths:
            if labels[path.stem] is None:
                print(f"{path.name} left out: its name is that of several classes, or of none")
        found = [LabelledImage(path, labels[path.stem]) for path in paths if labels[path.stem] is not None]
        return found or sys.exit(f"no image in {folder} is named after a class")
    instances = instances_of(folder)
    if instances is None:
        return [LabelledImage(path) for path in image_paths(folder)]
    source = json.loads(instances.read_text())
    rows = {row["file_name"]: row for row in source["images"]}
    images = folder / "images" if (folder / "images").is_dir() else folder
    there = [name for name in sorted(rows) if (images / name).is_file()]
    for name in there:
        _check_size(images / name, rows[name])
    found = [LabelledImage(images / name, true_objects(source, name), name) for name in there]
    if not found:
        sys.exit(f"none of the images of {instances} is there")
    return found


def _check_size(path: Path, row: Mapping[str, Any]) -> None:
    with Image.open(path) as image:
        size = image.size
    told = row.get("width", size[0]), row.get("height", size[1])
    if told != size:
        raise ValueError(
            f"{path} has {size[0]} x {size[1]} pixels, instances.json says {told[0]} x {told[1]}: "
            "its boxes would not fit"
        )


def labels_of(stems: Sequence[str], classes: Sequence[str]) -> dict[str, int | None]:
    """Places of classes by the names of images, such as ``n02012849_crane``; None where it is not clear.

    Some names are of two classes.  The usual order of the classes is that of their WordNet ids, so the right
    one lies between those of its neighbours.
    """
    places: dict[str, list[int]] = {}
    for k, names in enumerate(classes):
        for name in {_plain(part) for part in names.split(",")}:
            places.setdefault(name, []).append(k)
    ordered = sorted(set(stems))
    found = {stem: places.get(_plain(stem.partition("_")[2] or stem), []) for stem in ordered}
    sure = [(i, found[stem][0]) for i, stem in enumerate(ordered) if len(found[stem]) == 1]
    out: dict[str, int | None] = {}
    for i, stem in enumerate(ordered):
        low = max((k for j, k in sure if j < i), default=-1)
        high = min((k for j, k in sure if j > i), default=len(classes))
        some = found[stem] if len(found[stem]) == 1 else [k for k in found[stem] if low < k < high]
        out[stem] = some[0] if len(some) == 1 else None
    return out


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
