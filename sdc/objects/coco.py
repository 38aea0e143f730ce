"""COCO's ``instances.json``: the annotations of one image."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from ..types import MAX_LABEL
from .values import Frame, checked_text, dict_list, objects_error


def coco_annotations(
    data: dict[str, Any], frame: Frame, image_name: str | None
) -> tuple[list[tuple[dict[str, Any], str]], Frame]:
    """The annotations of one image of COCO's instances.json, with our names for the fields."""
    images = dict_list(data.get("images"), "images")
    found = list(range(len(images)))
    if image_name is not None:
        paths = [PurePath(str(image.get("file_name"))) for image in images]
        # The whole path if that is there, else the file's name, else that without its suffix.
        for part in ("parts", "name", "stem"):
            wanted = getattr(PurePath(image_name), part)
            found = [i for i, path in enumerate(paths) if getattr(path, part) == wanted]
            if found:
                break
    if len(found) != 1:
        count = "no image is" if not found else f"{len(found)} images are"
        what = "the image's name is needed" if image_name is None else f"{count} named {image_name!r}"
        raise objects_error("images", f"{what}, among {len(images)}")
    image = images[found[0]]
    at = f"images[{found[0]}]"
    if type(image.get("id")) not in (int, str):
        raise objects_error(f"{at}.id", "must be a number or a text")
    labels = {}
    for i, category in enumerate(dict_list(data.get("categories"), "categories")):
        if type(category.get("id")) not in (int, str):
            raise objects_error(f"categories[{i}].id", "must be a number or a text")
        labels[category["id"]] = checked_text(category.get("name"), f"categories[{i}].name", MAX_LABEL)
    items = []
    for i, note in enumerate(dict_list(data["annotations"], "annotations")):
        if note.get("image_id") != image["id"] or note.get("iscrowd") == 1:
            continue
        category_id = note.get("category_id")
        if type(category_id) not in (int, str) or category_id not in labels:
            raise objects_error(f"annotations[{i}].category_id", "not among the categories")
        outline = note.get("segmentation")
        item = {"label": labels[category_id], "box": note.get("bbox"), "score": note.get("score")}
        if outline not in (None, [], ()):
            item["rle" if isinstance(outline, dict) else "polygon"] = outline
        items.append((item, f"annotations[{i}]"))
    return items, frame.described_by(image, f"{at}.")
