"""COCO files too large to hold in memory: an index on disk, by which the rows of an image are found.

The index is a database of SQLite that says where in the file each row stands.
It is kept by the hash of the file's bytes, so that it is made once, and processes share it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import SdcError
from ..paths import cache_folder, open_file, write_file
from .coco import file_name, id_key
from .json_stream import Member, first_item, members
from .kin import kin_of_json
from .names import Name, name_of
from .values import not_json, objects_error, parse_json

if TYPE_CHECKING:
    import sqlite3

LARGE = 1 << 25
"""Bytes from which a file is indexed; a smaller one is parsed whole."""

VERSION = 1
"""Goes up when the database is laid out in another way."""

SETTLED = 2.0
"""Seconds after which the time of a file's last change is trusted to tell it from other contents."""

FACTS = 5
"""Rows of the table of facts."""

_BATCH = 20000

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE images (place INTEGER PRIMARY KEY, id TEXT, tail TEXT, stem TEXT, bare TEXT, name TEXT,
                     start INTEGER, past INTEGER);
CREATE TABLE annotations (image TEXT, place INTEGER, start INTEGER, past INTEGER);
"""

_INDEXES = """
CREATE INDEX by_tail ON images (tail);
CREATE INDEX by_stem ON images (stem);
CREATE INDEX by_bare ON images (bare);
CREATE INDEX by_id ON images (id);
CREATE INDEX by_image ON annotations (image, place, start, past);
"""


def _connect(path: str) -> sqlite3.Connection:
    import sqlite3

    return sqlite3.connect(path, check_same_thread=False)


def is_large(path: str) -> bool:
    """Whether a file of objects is one that is indexed."""
    with suppress(OSError, ValueError):
        return os.path.isfile(path) and os.path.getsize(path) >= LARGE
    return False


def _hash(file: BinaryIO, path: str, folder: Path) -> str:
    """SHA-256 of a file, which is kept by where it is, its size and when it was changed."""
    about = os.stat(path)
    identity = (os.path.realpath(path), about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
    noted = folder / f"hash-{hashlib.sha256(repr(identity).encode()).hexdigest()[:32]}"
    with suppress(OSError, ValueError):
        text = noted.read_text("ascii")
        if len(text) == 64 and (folder / f"coco-{VERSION}-{text}.sqlite").is_file():
            return text
    hashed = hashlib.sha256()
    while block := file.read(1 << 22):
        hashed.update(block)
    file.seek(0)
    # What was changed a moment ago may be changed again within one tick of the clock.
    if time.time() - about.st_mtime > SETTLED:
        with suppress(OSError, SdcError):
            folder.mkdir(parents=True, exist_ok=True)
            write_file(noted, hashed.hexdigest().encode())
    return hashed.hexdigest()


def index_of(path: str) -> tuple[Path | None, str | None]:
    """The index of a COCO file, made where it is not there yet.

    Returns:
        ``(the database, why it is not kept)``: None for a document of another kind; one that cannot be kept
        in the user's folder of caches is in the folder of temporary files, and whoever asked for it removes
        it.

    Raises:
        SdcError: ``E_OBJECTS`` where the file is no such JSON, ``E_INPUT`` or ``E_IO`` where it, or no index,
            can be had.
    """
    if find_spec("_sqlite3") is None:  # some builds of Python lack it
        return None, None
    with open_file(path) as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
        file.seek(0)
        if not start or b"\0" in start:  # UTF-16, or worse
            return None, None
        if start.startswith(b"["):
            _refuse_list(first_item(file, path))
            return None, None
        if not start.startswith(b"{"):
            raise not_json("expecting { or [", path, start)
        folder = cache_folder()
        name = f"coco-{VERSION}-{_hash(file, path, folder)}.sqlite"
        kept = folder / name
        if _is_sound(kept):
            return kept, None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return _make(file, path, kept), None
        except _NotCoco:
            return None, None
        except OSError as error:
            why = f"the index of {path} is not kept, since {folder} cannot be written: {error.strerror}"
        file.seek(0)
        try:
            return _make(file, path, Path(tempfile.gettempdir(), f"{os.getpid()}-{name}")), why
        except _NotCoco:
            return None, None
        except OSError as error:
            raise SdcError(
                "E_IO", f"no index of the objects can be written: {error.strerror}", path
            ) from None


def _is_sound(index: Path) -> bool:
    """Whether an index is there and can be read."""
    import sqlite3

    if not index.is_file():
        return False
    try:
        with closing(_connect(str(index))) as database:
            return len(database.execute("SELECT name FROM facts").fetchall()) == FACTS
    except sqlite3.Error:
        return False


class _NotCoco(Exception):
    """The document is of another kind."""


def _make(file: BinaryIO, path: str, target: Path) -> Path:
    """Write an index whole or not at all."""
    handle, temporary = tempfile.mkstemp(prefix=".sdc-", dir=target.parent)
    os.close(handle)
    try:
        with closing(_connect(temporary)) as database:
            _fill(database, file, path)
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if type(error).__module__ == "sqlite3":  # a disk that is full, for instance
            raise OSError(0, str(error)) from None
        raise
    return target


def _fill(database: sqlite3.Connection, file: BinaryIO, path: str) -> None:
    """Read the file once and note where its rows stand."""
    database.executescript(_TABLES)
    rows: dict[str, list[tuple[Any, ...]]] = {"images": [], "annotations": []}
    counts: Counter[str] = Counter()
    folders: set[tuple[str, ...]] = set()
    categories: list[Any] | None = None

    def flush(least: int) -> None:
        for table, columns in (("images", 8), ("annotations", 4)):
            if len(rows[table]) >= least:
                places = ", ".join("?" * columns)
                database.executemany(f"INSERT INTO {table} VALUES ({places})", rows[table])
                rows[table].clear()

    for member in members(file, path, exact=("images", "categories")):
        counts[member.key] += 0 if member.value == [] and member.place < 0 else 1
        if member.key == "objects":
            raise _NotCoco
        if member.key == "annotations":
            _refuse_kin(member)
            rows["annotations"] += _annotation(member)
        elif member.key == "images" and member.place >= 0:
            name, row = _image(member)
            folders.add(name.parts[:-1])
            rows["images"].append(row)
        elif member.key == "categories":
            categories = categories or []
            if member.place >= 0:
                categories.append(member.value)
        flush(_BATCH)
    flush(1)
    if not {"annotations", "images"} <= set(counts):
        raise _NotCoco
    database.executescript(_INDEXES)
    orphans = database.execute(
        "SELECT count(*) FROM annotations WHERE image IS NULL OR image NOT IN "
        "(SELECT id FROM images WHERE id IS NOT NULL)"
    ).fetchone()[0]
    facts = {
        "categories": categories,
        "images": counts["images"],
        "total": counts["annotations"],
        "orphans": orphans,
        "several_folders": len(folders) > 1,
    }
    database.executemany("INSERT INTO facts VALUES (?, ?)", [(k, json.dumps(v)) for k, v in facts.items()])
    database.commit()


def _in_utf8(value: Any) -> Any:
    """A value; a text, which was taken as Latin-1, as what it is in UTF-8."""
    with suppress(ValueError):  # a text with escapes beyond Latin-1 is written in ASCII
        return value.encode("latin-1").decode() if isinstance(value, str) else value
    return value


def _refuse_list(first: Any) -> None:
    """Refuse a list of another form by its first item."""
    kin = kin_of_json([first])
    if kin is not None:
        raise objects_error("", f"not read: {kin}")


def _refuse_kin(member: Member) -> None:
    """Refuse annotations of another form by the first of them."""
    if member.place > 0:
        return
    kin = kin_of_json({"annotations": [member.value], "images": []})
    if member.place < 0 and member.value != []:
        raise objects_error("annotations", "must be a list")
    if kin is not None:
        raise objects_error("", f"not read: {kin}")


def _annotation(member: Member) -> list[tuple[str | None, int, int, int]]:
    """The row of an annotation; none of an empty list."""
    row = member.value
    key = id_key(_in_utf8(row.get("image_id"))) if isinstance(row, dict) else None
    return [(key, member.place, member.start, member.end)] if member.place >= 0 else []


def _image(member: Member) -> tuple[Name, tuple[Any, ...]]:
    image = member.value
    if not isinstance(image, dict):
        raise objects_error(f"images[{member.place}]", "must be an object of JSON")
    text = file_name(image)
    name = name_of(text)
    return name, (member.place, id_key(image.get("id")), *name[1:], text, member.start, member.end)


class IndexedRows:
    """Rows of a file by its index: :class:`.coco.Rows`."""

    def __init__(self, path: str, index: Path):
        self._path, self._index = path, index
        self._lock = Lock()
        self._open()
        facts = {name: json.loads(value) for name, value in self._ask("SELECT name, value FROM facts")}
        self.categories: Any = facts["categories"]
        self.images, self.total, self.orphans = (int(facts[name]) for name in ("images", "total", "orphans"))
        self.several_folders = bool(facts["several_folders"])

    def _open(self) -> None:
        """Open the file and the index, for this process: what has been forked opens its own."""
        self._process = os.getpid()
        self._file = open_file(self._path)
        self._database = _connect(str(self._index))

    def _ask(self, question: str, *values: Any) -> list[Any]:
        with self._lock:
            if self._process != os.getpid():
                self._open()
            return self._database.execute(question, values).fetchall()

    def _read(self, start: int, past: int) -> Any:
        with self._lock:
            self._file.seek(start)
            text = self._file.read(past - start)
        return parse_json(text, self._path)

    def named(self, form: str, value: str) -> list[tuple[int, Name]]:
        """Images whose name has a value in one of the forms of :class:`.names.Name`."""
        found = self._ask(f"SELECT place, name FROM images WHERE {form} = ? ORDER BY place", value)
        return [(place, name_of(name)) for place, name in found]

    @cached_property
    def _names(self) -> list[str]:
        return [name for (name,) in self._ask("SELECT name FROM images ORDER BY place")]

    def names(self) -> Sequence[str]:
        """Names of all images."""
        return self._names

    def image(self, place: int) -> dict[str, Any]:
        """An entry of images."""
        ((start, past),) = self._ask("SELECT start, past FROM images WHERE place = ?", place)
        return dict(self._read(start, past))

    def same_id(self, key: str) -> int:
        """How many images have an id."""
        return int(self._ask("SELECT count(*) FROM images WHERE id = ?", key)[0][0])

    def annotations(self, key: str) -> Iterable[tuple[int, dict[str, Any]]]:
        """The annotations of an image."""
        rows = self._ask("SELECT place, start, past FROM annotations WHERE image = ? ORDER BY place", key)
        return [(place, self._read(start, past)) for place, start, past in rows]
