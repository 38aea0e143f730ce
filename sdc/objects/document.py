"""The document of objects (``spec/objects.md``) or COCO's, read for one image or many, and written."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import SdcError
from ..notes import Notes
from ..paths import open_file
from ..types import MAX_OBJECTS
from .coco import FIELDS, ParsedRows, Rows, coco_items
from .coco_index import IndexedRows, index_of, is_large
from .described import Described, Item, doubted, note_turned, read_items
from .gathering import Gathering
from .kin import kin_of_json, unknown
from .raster import rle_of
from .values import Frame, objects_error, parse_json


class Document:
    """A document of objects, opened once for all images that it is about.

    Args:
        data: what its JSON parses to, or the rows of a COCO file.
        unkept: why the index of a large file is made anew each time, in a line, or nothing.

    Raises:
        SdcError: ``E_OBJECTS`` where it is no such document.
    """

    def __init__(self, data: Any, unkept: str = ""):
        self.unkept = [unkept] if unkept else []
        self._data: dict[str, Any] = {}
        self._rows: Rows | None = None
        if isinstance(data, IndexedRows):
            self._rows = data
            return
        kin = kin_of_json(data)
        if isinstance(data, (list, tuple)) and kin is None:
            data = {"objects": data}
        if kin is not None or not isinstance(data, dict) or not {"objects", "annotations"} & set(data):
            raise objects_error("", unknown(data))
        if {"objects", "annotations"} <= set(data):
            raise objects_error("", 'has both "objects" and "annotations"; one says what is in the image')
        self._data = data
        if "annotations" in data:
            self._rows = ParsedRows(data)

    @property
    def provenance(self) -> dict[str, Any] | None:
        """How the objects were found, where the document says so.

        Raises:
            SdcError: ``E_OBJECTS`` when it is not an object of JSON.
        """
        return load_provenance(self._data)

    def read(
        self,
        width: int,
        height: int,
        image_name: str | None,
        notes: Notes,
        *,
        alone: bool = True,
        turned: int = 1,
    ) -> list[Described]:
        """What it says of an image.

        Args:
            width, height: of the image in pixels.
            image_name: name or path of its file, by which it is found in a COCO file of several images.
            notes: what is assumed or left out is said here.
            alone: whether this image is the only one that is asked about.
            turned: EXIF orientation by which the image has been turned, 1 where it has not.

        Raises:
            SdcError: ``E_OBJECTS`` with the path of the field, where the document as a whole is in doubt or
                no object of it can be used.
        """
        gathered = Gathering()
        frame = Frame(width, height)
        names: Mapping[str, str] = {}
        items: Sequence[Item]
        if self._rows is None:
            rows = self._data["objects"]
            if not isinstance(rows, (list, tuple)):
                raise objects_error("objects", "must be a list")
            items = [(_item(row, f"objects[{i}]"), f"objects[{i}]") for i, row in enumerate(rows)]
            frame = frame.described_by(self._data, "", gathered)
        else:
            items, frame = coco_items(self._rows, frame, image_name, alone, gathered)
            names = FIELDS
        if len(items) > MAX_OBJECTS:
            raise objects_error("", f"{len(items)} objects in one image; {MAX_OBJECTS} are allowed")
        if items and self.provenance is None:
            note_turned(frame, turned, gathered)
        frame = doubted(items, frame, gathered)
        found = read_items(items, frame, names, gathered)
        gathered.tell(notes)
        return found


def _item(row: Any, at: str) -> dict[str, Any] | SdcError:
    return row if isinstance(row, dict) else objects_error(at, "must be an object of JSON")


def index_large(path: str) -> tuple[str | None, str | None]:
    """Make the index of a file that is too large to parse whole, if it is COCO's, for all processes.

    Returns:
        ``(the index, why it is not kept)``; None for a file that is parsed whole, and for an index that is.

    Raises:
        SdcError: as :func:`.coco_index.index_of`.
    """
    if not is_large(path):
        return None, None
    index, why = index_of(path)
    if index is not None and why is not None:  # in the folder of temporary files
        atexit.register(_remove, index)
    return None if index is None else str(index), why


def _remove(index: Path) -> None:
    with suppress(OSError):
        index.unlink()


def open_document(path: str, index: str | None = None) -> Document:
    """The document in a file, which is read anew when the file changes.

    Args:
        path: of the file.
        index: of a large file, where another process has made it.

    Raises:
        SdcError: ``E_INPUT`` when there is no such file, ``E_IO`` when it cannot be read, ``E_OBJECTS`` when
            it is no such document.
    """
    with suppress(OSError, ValueError):
        about = os.stat(path)
        return _opened(path, index, (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns))
    return _opened.__wrapped__(path, index, ())


@lru_cache(maxsize=2)
def _opened(path: str, index: str | None, identity: tuple[int, ...]) -> Document:
    unkept: str | None = None
    if index is None:
        index, unkept = index_large(path)
    if index is not None:
        return Document(IndexedRows(path, Path(index)), unkept or "")
    with open_file(path) as file:
        return Document(parse_json(file.read(), path))


def load_provenance(data: Any) -> dict[str, Any] | None:
    """How the objects were found, as the JSON of ``spec/objects.md`` says; None when it does not.

    Raises:
        SdcError: E_OBJECTS when it is not an object of JSON.
    """
    provenance = data.get("analysis") if isinstance(data, dict) else None
    if provenance is not None and not isinstance(provenance, dict):
        raise objects_error("analysis", "must be an object of JSON")
    return provenance


def dump_document(objects: Sequence[Described], width: int, height: int) -> dict[str, Any]:
    """The JSON of ``spec/objects.md``; :meth:`Document.read` gives the same again."""
    items = []
    for thing in objects:
        item: dict[str, Any] = {"label": thing.label, "box": list(thing.box)}
        if thing.mask is not None:
            item["rle"] = rle_of(thing.box, thing.mask, width, height)
        if thing.level is not None:
            item["level"] = thing.level.value
        item["score"] = float(thing.score)  # written so that it is read as the same number
        if thing.reason:
            item["reason"] = thing.reason
        items.append(item)
    return {"width": width, "height": height, "objects": items}
