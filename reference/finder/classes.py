"""The classes that the network tells apart, and which of COCO's are which."""

from __future__ import annotations

CLASSES = ("other", "person", "animal", "vehicle", "food", "plant", "building", "sky", "ground", "furniture")
"""By number; text has a map of its own, since it lies on other things."""

UNKNOWN = 255
"""In a map of classes: a place of which nothing is known."""

_COCO = {
    "person": "person",
    "animal": "bird cat dog horse sheep cow elephant bear zebra giraffe",
    "vehicle": "bicycle car motorcycle airplane bus train truck boat",
    "food": "banana apple sandwich orange broccoli carrot hot-dog pizza donut cake fruit food-other-merged",
    "plant": "potted-plant flower tree-merged",
    "building": "house roof building-other-merged bridge",
    "sky": "sky-other-merged",
    "ground": "floor-wood gravel platform playingfield railroad road sand snow floor-other-merged "
    "pavement-merged grass-merged dirt-merged",
    "furniture": "bench chair couch bed dining-table toilet cabinet-merged table-merged shelf counter",
}

CLASS_OF = {
    name.replace("-", " "): CLASSES.index(kind) for kind, names in _COCO.items() for name in names.split()
}


def class_of(name: str) -> int:
    """Number of the class of one of COCO's 133 categories; 0, ``other``, where none fits."""
    return CLASS_OF.get(name.replace("-", " "), 0)
