"""Parts of a data set, which many machines work on: what is done with one, and the record of it.

A file belongs to a part by the hash of its name, so that a part stays the same when other files come.
Each part has a record in the output folder, a line of JSON for each file, in pages of some files each.
A page is written anew before each of its files and at its end.  So whoever does a part again, on another
machine or another day, does only what is left to do.

Paths are those of fsspec: folders, or URLs of stores.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import socket
import tarfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ..errors import SdcError
from ..notes import Passing
from ..paths import STREAM_SUFFIX, write_file
from .encode import encode_bytes
from .manifest import key_of
from .messages import DONE, Args, as_error, message_line, status_of
from .workers import stay_on_one_thread

RECORDS = ".sdc.batch"
"""Folder of the records, in the output folder."""

PAGE = 64
"""Files of a page of a record, about."""

TRIES = 2
"""Processes that may end over a file in one run, until it is left alone."""

CHANGES = (
    *("ETag", "etag", "content_md5", "md5Hash", "crc32c"),
    *("mtime", "LastModified", "last_modified", "updated", "created"),
)
"""What stores call that by which a change shows, the best first."""

Row = dict[str, Any]


def files_of(url: str) -> tuple[Any, str]:
    """The file system of a path or a URL, and the path there.

    Raises:
        SdcError: ``E_USAGE`` where fsspec or what it needs is missing.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise SdcError("E_USAGE", 'sdc batch needs fsspec; pip install "sdc-codec[batch]"') from None
    try:
        files, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise SdcError("E_USAGE", f"fsspec cannot read this: {' '.join(str(error).split())}", url) from None
    return files, str(path).rstrip("/")


def identity_in(info: Row) -> str:
    """Which file it is, by what a file system says of it: its size, and what shows a change."""
    changed = next((info[name] for name in CHANGES if info.get(name)), "")
    return f"{info.get('size')} {changed}"


def part_of(name: str, count: int, salt: str = "") -> int:
    """The part, 0 to count - 1, to which a file belongs by its name; with another salt another division."""
    digest = hashlib.sha256((salt + name).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % count


def output_name(name: str, shards: bool) -> str:
    """Name of the stream of an image; in a shard without further dots, which would end the key there."""
    stem = posixpath.splitext(name)[0]
    if shards:
        folder, base = posixpath.split(stem)
        stem = posixpath.join(folder, base.replace(".", "_"))
    return stem + STREAM_SUFFIX


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run does.

    Attributes:
        source, target: folders or URLs.
        shards: whether parts become tar files of WebDataset, rather than files.
        pages: of the record of a part.
        run: name of the run, by which a file that ends processes is known.
        key: stands for version, models and options; see :func:`.manifest.key_of`.
        args: arguments of the command.
    """

    source: str
    target: str
    shards: bool
    pages: int
    run: str
    key: str
    args: Args


@dataclass
class Summary:
    """What came of a part: counts of files, bytes of streams written, seconds, and the rows of failures."""

    part: int
    done: int = 0
    before: int = 0
    noted: int = 0
    bytes: int = 0
    seconds: float = 0.0
    failed: list[Row] = field(default_factory=list)


@lru_cache(maxsize=1)
def _key_here(plan: Plan) -> str:
    """The key of a plan as this machine works it out."""
    return key_of(plan.args)[0]


def do_part(plan: Plan, number: int, names: Sequence[tuple[str, str]]) -> Summary:
    """Do a part, as far as it is not done.

    Args:
        plan: what the run does.
        number: of the part.
        names: of its images below the source, with their identities.

    Raises:
        SdcError: ``E_USAGE`` where this machine has another version, other models or other files;
            ``E_IO`` where the record or a shard cannot be written.
    """
    stay_on_one_thread()
    if _key_here(plan) != plan.key:
        machine = socket.gethostname()
        raise SdcError("E_USAGE", f"version, models or files on {machine} differ from those of the command")
    return _Part(plan, number).do(names)


class _Part:
    """A part that is worked on."""

    def __init__(self, plan: Plan, number: int):
        self.plan = plan
        self.source, self.root = files_of(plan.source)
        self.target, self.out = files_of(plan.target)
        self.is_local = "local" in self.target.protocol  # of LocalFileSystem alone
        self.record = f"{self.out}/{RECORDS}/{number:06}"
        self.shard = f"{number:06}.tar"
        self.staged = f"{self.record}.streams"
        self.pages: list[dict[str, Row]] = [{} for _ in range(plan.pages)]
        self.packed: Row = {}
        self.found = Summary(number)

    def _page_of(self, name: str) -> int:
        return part_of(name, self.plan.pages, "page ")

    def _row(self, name: str) -> Row:
        """What is written of a file; empty where nothing is."""
        return self.pages[self._page_of(name)].get(name, {})

    def _read_lines(self, path: str) -> Iterator[Row]:
        """Rows of a page, as far as they can be read."""
        with suppress(FileNotFoundError):
            for line in self.target.cat_file(path).decode("utf-8", "replace").splitlines():
                with suppress(ValueError):
                    row = json.loads(line)
                    if isinstance(row, dict):
                        yield row

    def _read_record(self) -> None:
        for number, page in enumerate(self.pages):
            page |= {row["file"]: row for row in self._read_lines(self._page_path(number)) if "file" in row}
        self.packed = next(self._read_lines(f"{self.record}.shard.jsonl"), {})

    def _page_path(self, number: int) -> str:
        return f"{self.record}.{number}.jsonl"

    def _write_page(self, number: int) -> None:
        page = self.pages[number]
        lines = "".join(json.dumps(page[name]) + "\n" for name in sorted(page))
        self._write(self._page_path(number), lines.encode())

    def _write(self, path: str, data: bytes) -> None:
        """Write a file whole or not at all.

        Raises:
            SdcError: ``E_IO``.
        """
        try:
            if self.is_local:
                os.makedirs(posixpath.dirname(path), exist_ok=True)
                write_file(path, data)
            else:  # stores put a file whole or not at all
                self.target.pipe_file(path, data)
        except OSError as error:
            raise SdcError("E_IO", f"could not write: {error.strerror or error}", path) from None

    def do(self, names: Sequence[tuple[str, str]]) -> Summary:
        """Do what is left to do."""
        began = time.monotonic()
        self._read_record()
        for number in range(self.plan.pages):
            self._do_page(number, [found for found in names if self._page_of(found[0]) == number])
        if self.plan.shards:
            self._pack([name for name, _ in names if self._row(name)["status"] == DONE])
        self.found.seconds = time.monotonic() - began
        return self.found

    def _do_page(self, number: int, names: Sequence[tuple[str, str]]) -> None:
        left = [found for found in names if not self._is_done(*found)]
        for name, identity in left:
            self._do(name, identity)
        if left:
            self._write_page(number)
        for name, _ in names:
            row = self._row(name)
            self._count(row, own=row["run"] == self.plan.run)

    def _count(self, row: Row, *, own: bool) -> None:
        """Count a file that is done, by this run (perhaps by a process that is dead now) or before."""
        if row["status"] != DONE:
            self.found.failed.append(row)
        elif own:
            self.found.done += 1
            self.found.noted += bool(row["said"])
            self.found.bytes += row["bytes"]
        else:
            self.found.before += 1

    def _place(self, name: str) -> str:
        """Where the stream of an image is written first."""
        return f"{self.staged if self.plan.shards else self.out}/{output_name(name, self.plan.shards)}"

    def _is_done(self, name: str, identity: str) -> bool:
        row = self._row(name)
        if (row.get("status"), row.get("key"), row.get("read")) != (DONE, self.plan.key, identity):
            return False
        if row.get("passing") and row.get("run") != self.plan.run:
            return False
        return self._size(self._place(name)) == row["bytes"] or self._is_packed(name)

    def _is_packed(self, name: str) -> bool:
        """Whether a stream is in the shard, and the shard is there as it was written."""
        return (
            name in self.packed.get("files", ())
            and self._size(f"{self.out}/{self.shard}") == self.packed["bytes"]
        )

    def _size(self, path: str) -> int | None:
        try:
            return int(self.target.info(path)["size"])
        except FileNotFoundError:
            return None

    def _do(self, name: str, identity: str) -> None:
        """Encode an image and write down what came of it."""
        plan, before = self.plan, self._row(name)
        tries = before.get("tries", 0) if before.get("run") == plan.run and "status" not in before else 0
        row: Row = {"file": name, "read": identity, "key": plan.key, "run": plan.run, "tries": tries + 1}
        row["worker"] = f"{socket.gethostname()}:{os.getpid()}"
        page = self._page_of(name)
        self.pages[page][name] = row
        began = time.monotonic()
        if tries >= TRIES:
            error = SdcError("E_IO", f"{tries} processes ended over it: most likely memory ran out")
            row |= {"status": status_of(error), "said": [message_line(plan.args.program, error, name)]}
        else:
            self._write_page(page)  # so that another process knows that this one has begun, and what is done
            row |= self._encoded(name)
        row["seconds"] = round(time.monotonic() - began, 3)

    def _encoded(self, name: str) -> Row:
        """What came of the encoding of an image: status, what was said, and bytes."""
        plan = self.plan
        try:
            data = self.source.cat_file(f"{self.root}/{name}")
            objects = _objects_for(plan.args, name)
            stream, said = encode_bytes(plan.args, data, f"{self.root}/{name}", objects, alone=False)
            self._write(self._place(name), stream)
        except Exception as wrong:
            error = as_error(wrong)
            return {"status": status_of(error), "said": [message_line(plan.args.program, error, name)]}
        lines = [message_line(plan.args.program, f"note: {note}", name) for note in said]
        row = {"status": DONE, "said": lines, "output": output_name(name, plan.shards), "bytes": len(stream)}
        return {**row, "passing": True} if any(isinstance(note, Passing) for note in said) else row

    def _pack(self, names: Iterable[str]) -> None:
        """Write the shard, if its files or any of them have changed, and remove what it was made of."""
        files = sorted(names)
        fresh = [name for name in files if self._size(self._place(name)) is not None]
        whole = self._size(f"{self.out}/{self.shard}") == self.packed.get("bytes")
        if not fresh and whole and files == self.packed.get("files"):
            return
        if not files:
            return
        old = self._members() if len(fresh) < len(files) else {}
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name in files:
                place = self._place(name)
                stream = self.target.cat_file(place) if name in fresh else old[output_name(name, True)]
                member = tarfile.TarInfo(output_name(name, True))
                member.size = len(stream)
                tar.addfile(member, io.BytesIO(stream))
        self._write(f"{self.out}/{self.shard}", out.getvalue())
        self.packed = {"shard": self.shard, "bytes": len(out.getvalue()), "files": files}
        self._write(f"{self.record}.shard.jsonl", (json.dumps(self.packed) + "\n").encode())
        with suppress(OSError):
            self.target.rm(self.staged, recursive=True)

    def _members(self) -> dict[str, bytes]:
        """The streams in the shard as it is."""
        with tarfile.open(fileobj=io.BytesIO(self.target.cat_file(f"{self.out}/{self.shard}"))) as tar:
            return {member.name: part.read() for member in tar if (part := tar.extractfile(member))}


def _objects_for(args: Args, name: str) -> str | None:
    """The file of objects of an image: the one given, or the one of the image's name in the folder given."""
    path: str | None = args.objects_file
    if path is None or path == "none" or not os.path.isdir(path):
        return None if path == "none" else path
    return posixpath.join(path, posixpath.splitext(name)[0] + ".json")
