"""COCO's ``instances.json``: the annotations of one image."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Protocol

from ..errors import SdcError
from ..types import MAX_LABEL
from .described import Item
from .gathering import Gathering
from .mending import mended_text
from .names import Name, name_of, near_names, nearest, stem_of
from .values import Frame, dict_list, objects_error

FIRST_CROWD = 900_000_000_000
"""Ids of COCO's own annotations of crowds begin here; other tools write iscrowd 1 for any run-length mask."""

FIELDS = {"label": "category_id", "box": "bbox", "polygon": "segmentation", "rle": "segmentation"}
"""What COCO calls our fields."""


def id_key(value: Any) -> str | None:
    """An id as a text in which 7, 7.0, "7", "7.0" and "007" are the same; None for what is no id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        text = value.strip()
        whole = text.removesuffix(".0")
        return (whole.lstrip("0") or "0") if whole.isascii() and whole.isdecimal() else text
    return str(value) if type(value) is int and abs(value) < 2**63 else None


def file_name(image: dict[str, Any]) -> str:
    """What an entry of images calls its file; LVIS has its URL alone."""
    for field in ("file_name", "coco_url"):
        if isinstance(image.get(field), (str, int)):
            return str(image[field])
    return ""


class Rows(Protocol):
    """The rows of a COCO file, by what they are looked up by: places in its lists are counted from 0."""

    @property
    def categories(self) -> Any:
        """Categories as the file has them."""

    @property
    def images(self) -> int:
        """How many images there are."""

    @property
    def total(self) -> int:
        """How many annotations there are."""

    @property
    def orphans(self) -> int:
        """How many annotations belong to no image of the file."""

    @property
    def several_folders(self) -> bool:
        """Whether images lie in more than one folder."""

    def named(self, form: str, value: str) -> list[tuple[int, Name]]:
        """Images whose name has a value in one of the forms ``tail``, ``stem`` and ``bare``."""

    def names(self) -> Sequence[str]:
        """Names of all images."""

    def image(self, place: int) -> dict[str, Any]:
        """An entry of images."""

    def same_id(self, key: str) -> int:
        """How many images have an id."""

    def annotations(self, key: str) -> Iterable[tuple[int, dict[str, Any]]]:
        """The annotations of an image."""


class ParsedRows:
    """Rows of a document that is in memory: :class:`Rows`."""

    def __init__(self, data: dict[str, Any]):
        self._images = dict_list(data.get("images"), "images")
        self._annotations = data["annotations"]
        if not isinstance(self._annotations, (list, tuple)):
            raise objects_error("annotations", "must be a list")
        self.categories = data.get("categories")
        self.images, self.total = len(self._images), len(self._annotations)

    @cached_property
    def _by_form(self) -> dict[str, dict[str, list[tuple[int, Name]]]]:
        found: dict[str, dict[str, list[tuple[int, Name]]]] = {}
        for form in ("tail", "stem", "bare"):
            found[form] = defaultdict(list)
        for place, image in enumerate(self._images):
            name = name_of(file_name(image))
            for form in found:
                found[form][getattr(name, form)].append((place, name))
        return found

    @cached_property
    def _by_image(self) -> dict[str | None, list[tuple[int, dict[str, Any]]]]:
        found: dict[str | None, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
        for place, row in enumerate(self._annotations):
            key = id_key(row.get("image_id")) if isinstance(row, dict) else None
            found[key].append((place, row))
        return found

    @cached_property
    def _ids(self) -> Counter[str | None]:
        return Counter(id_key(image.get("id")) for image in self._images)

    @cached_property
    def orphans(self) -> int:
        """How many annotations belong to no image of the file."""
        known = set(self._ids) - {None}
        return sum(len(rows) for key, rows in self._by_image.items() if key not in known)

    @cached_property
    def several_folders(self) -> bool:
        """Whether images lie in more than one folder."""
        return len({name.parts[:-1] for rows in self._by_form["tail"].values() for _, name in rows}) > 1

    def named(self, form: str, value: str) -> list[tuple[int, Name]]:
        """Images whose name has a value in one of its forms."""
        return self._by_form[form].get(value, [])

    def names(self) -> Sequence[str]:
        """Names of all images."""
        return [file_name(image) for image in self._images]

    def image(self, place: int) -> dict[str, Any]:
        """An entry of images."""
        return self._images[place]

    def same_id(self, key: str) -> int:
        """How many images have an id."""
        return self._ids[key]

    def annotations(self, key: str) -> Iterable[tuple[int, dict[str, Any]]]:
        """The annotations of an image."""
        return self._by_image.get(key, [])


def find_image(rows: Rows, image_name: str | None, alone: bool, notes: Gathering) -> int:
    """The place of an image among those of a COCO file.

    The whole path decides, or else the file's name, or else that without its suffix; of several, those
    whose folders agree best.  Then names in other letters, and what annotation tools make of names.

    Args:
        rows: of the file.
        image_name: path or name of the image's file; None where it has none.
        alone: whether this image is the only one that is asked about: then a file of one image is about it.

    Raises:
        SdcError: ``E_OBJECTS`` when there is no such image or more than one.
    """
    if image_name is None:
        if rows.images == 1:
            return 0
        near = near_names("", rows.names())
        raise objects_error("images", f"the image's name is needed, among {rows.images}; {near}")
    wanted = name_of(image_name)
    last = wanted.parts[-1] if wanted.parts else ""
    tails, stems = rows.named("tail", wanted.tail), rows.named("stem", wanted.stem)
    for found, same, told in (
        ([row for row in tails if row[1].parts[-1:] == (last,)], "tail", ""),
        ([row for row in stems if stem_of(row[1].parts[-1]) == stem_of(last)] if last else [], "stem", ""),
        (stems if last else [], "stem", "in other letters"),
        (rows.named("bare", wanted.bare) if last else [], "stem", "as a tool has changed it"),
    ):
        if not found:
            continue
        best = nearest(wanted, found, same)
        if len(best) > 1:
            raise objects_error("images", f"{len(best)} images are named {last!r}, among {rows.images}")
        place, name = best[0]
        if told:
            notes.add(f"the image is found by its name {told}: {'/'.join(name.parts)!r}", f"images[{place}]")
        elif rows.several_folders and _is_elsewhere(wanted, name, same):
            notes.add(f"the image is found by its name in another folder: {'/'.join(name.parts)!r}")
        return place
    if rows.images == 1 and alone:
        notes.add(f"the file's only image is {rows.names()[0]!r}; its objects are taken for {last!r}")
        return 0
    near = near_names(last, rows.names())
    raise objects_error("images", f"no image is named {last!r}, among {rows.images}; {near}")


def _is_elsewhere(wanted: Name, found: Name, same: str) -> bool:
    """Whether the folders of two names contradict each other."""
    one, two = wanted.parts[:-1], found.parts[:-1]
    common = min(len(one), len(two))
    return common > 0 and one[-common:] != two[-common:]


def _labels(categories: Any, notes: Gathering) -> dict[str, str]:
    """Names of categories by their ids."""
    labels: dict[str, str] = {}
    for i, category in enumerate(dict_list(categories, "categories")):
        at = f"categories[{i}]"
        key = id_key(category.get("id"))
        try:
            label = mended_text(category.get("name"), f"{at}.name", MAX_LABEL, notes)
        except SdcError as error:
            notes.add(f"a category is left out, its name {error.message}", error.where)
            continue
        if key is None:
            notes.add("a category without an id is left out", at)
        elif labels.setdefault(key, label) != label:
            notes.add(f"two categories have the id {key}, and the first counts: {labels[key]!r}", at)
    return labels


def coco_items(
    rows: Rows, frame: Frame, image_name: str | None, alone: bool, notes: Gathering
) -> tuple[list[Item], Frame]:
    """The annotations of one image, with our names for the fields.

    Args:
        rows: of the file.
        frame: of the image.
        image_name, alone: as for :func:`find_image`.

    Raises:
        SdcError: ``E_OBJECTS`` where the file as a whole is in doubt.
    """
    place = find_image(rows, image_name, alone, notes)
    image = rows.image(place)
    key = id_key(image.get("id"))
    if key is None:
        raise objects_error(f"images[{place}].id", "must be a number or a text")
    if rows.same_id(key) > 1:
        raise objects_error(f"images[{place}].id", f"{rows.same_id(key)} images have the id {key}")
    labels = _labels(rows.categories, notes)
    found = list(rows.annotations(key))
    items = [item for i, row in found if (item := _item(row, f"annotations[{i}]", labels, notes)) is not None]
    if rows.total and not found:
        notes.add(f"0 of {rows.total} objects of the file apply to this image")
    if rows.orphans:
        notes.add(f"{rows.orphans} of {rows.total} objects belong to no image of the file")
    return items, frame.described_by(image, f"images[{place}].", notes)


def _item(row: dict[str, Any], at: str, labels: dict[str, str], notes: Gathering) -> Item | None:
    """An annotation with our names for the fields; None for a crowd."""
    outline = row.get("segmentation")
    if row.get("iscrowd") in (1, "1"):
        number = row.get("id")
        if isinstance(number, int) and number >= FIRST_CROWD:
            return None
        if not outline:
            notes.add("a crowd (iscrowd 1) without an outline is left out", at)
            return None
        notes.add("an outline with iscrowd 1 is read as one object", at)
    category = row.get("category_id")
    key = id_key(category)
    if key is None or key not in labels:
        if not isinstance(category, str) or category not in labels.values():
            return objects_error(f"{at}.category_id", "not among the categories"), at
        notes.add("a category is found by its name in place of its id", f"{at}.category_id")
        label = category
    else:
        label = labels[key]
    item = {"label": label, "box": row.get("bbox"), "score": row.get("score")}
    if isinstance(outline, dict) and not outline:
        outline = None
    item["rle" if isinstance(outline, dict) else "polygon"] = outline
    return item, at
