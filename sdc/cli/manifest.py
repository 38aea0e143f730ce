"""The record of a folder run, by which a second run does only what the first has not done.

It stands in the output folder, a line of JSON for each file, written as soon as the file is done.  So it
survives an interruption; a line that was cut off is not counted.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._version import __version__
from ..analysis.hashes import code_hash, weights_beside
from ..networks.registry import model_folders
from .analysis_options import SETTINGS
from .identity import Identity, sha256_of
from .jobs import Job, Result
from .messages import DONE, Args

_NO_MATTER = frozenset(
    (
        *("input", "output", "run", "program", "jobs", "threads", "max_pixels"),
        *("key", "proxy", "timeout", "cache", "objects_index", "ray", "shards"),
    )
)
"""Arguments that do not change what comes out."""

FILE_OPTIONS = ("objects_file", "detector", "saliency", "vocabulary", "restoration")
"""Arguments that may name a file, whose bytes count."""

_OF_SDC = ("types", "colour", "images", "objects", "analysis", "networks", "coding", "codec", "format")
"""Rooms on whose code an output depends."""


def manifest_name(command: str) -> str:
    """Name of the record of a command in its output folder."""
    return f".sdc.{command}.jsonl"


@dataclass(eq=False)
class Manifest:
    """What has been done in an output folder.

    Attributes:
        path: of the record.
        key: stands for version, models and options that matter.
        options: in words, for people who compare two runs.
    """

    path: Path
    key: str
    options: dict[str, Any]
    _done: dict[str, dict[str, Any]] = field(default_factory=dict)
    _keys: set[str] = field(default_factory=set)
    _torn: bool = False
    _file: Any = None

    @classmethod
    def of(cls, args: Args, command: str) -> Manifest:
        """The record of the output folder of a command, as far as there is one."""
        key, options = key_of(args)
        found = cls(Path(args.output, manifest_name(command)), key, options)
        found._read()
        return found

    def _read(self) -> None:
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:
                for line in file:
                    self._torn = not line.endswith("\n")
                    with suppress(ValueError, KeyError, TypeError):
                        self._take(json.loads(line))
        except OSError:
            return

    def _take(self, row: dict[str, Any]) -> None:
        if "file" in row:
            self._done[row["file"]] = row
        elif "options" in row:
            self._keys.add(str(row["key"]))

    def has(self, job: Job) -> bool:
        """Whether a file was done by the same key, and neither it nor its output has changed since."""
        row = self._done.get(job.name)
        if row is None or row.get("key") != self.key or row.get("status") != DONE or row.get("passing"):
            return False
        try:
            read = [Identity.from_dict(one) for one in row["read"]]
            made = Identity.from_dict(row["made"])
        except (KeyError, TypeError, ValueError):
            return False
        if len(read) != len(job.read) or not made.holds(job.target):
            return False
        return all(one.holds(path) for one, path in zip(read, job.read, strict=True))

    def is_of_others(self) -> bool:
        """Whether files were done before, all by other options or another version."""
        return bool(self._done) and self.key not in self._keys

    def add(self, job: Job, result: Result) -> None:
        """Write down what came of a file.

        Raises:
            OSError: it cannot be written.
        """
        row = {
            "file": job.name,
            "output": os.path.relpath(job.target, self.path.parent),
            "status": result.status,
            "key": self.key,
            "read": [None if one is None else one.as_dict() for one in result.read],
            "made": None if result.made is None or result.failed else result.made.as_dict(),
            "seconds": round(result.seconds, 3),
            "said": result.err,
        }
        if result.passing:
            row["passing"] = True
        self._write([row])

    def _write(self, rows: Iterable[dict[str, Any]]) -> None:
        if self._file is None:
            self._file = open(self.path, "ab", buffering=0)
            if self.key not in self._keys:
                about = {"sdc": __version__, "key": self.key, "options": self.options}
                rows = [about, *rows]
            if self._torn:
                self._file.write(b"\n")
        for row in rows:
            self._file.write((json.dumps(row, default=repr) + "\n").encode())

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def key_of(args: Args) -> tuple[str, dict[str, Any]]:
    """What stands for version, models and options that matter, and these options."""
    options = _options(args)
    text = json.dumps(
        [__version__, code_hash("sdc", _OF_SDC), _models(), options], sort_keys=True, default=repr
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16], options


def _options(args: Args) -> dict[str, Any]:
    """Arguments that matter; of files that they name, the hash of the bytes."""
    options = {name: value for name, value in vars(args).items() if name not in _NO_MATTER}
    for name, variable in SETTINGS.items():
        if name not in _NO_MATTER and variable in os.environ:
            options[variable] = os.environ[variable]
    for name in FILE_OPTIONS:
        value = options.get(name)
        if isinstance(value, str) and os.path.isfile(value):
            hashes = [sha256_of(str(path)) for path in (value, *weights_beside(value))]
            options[name] = f"sha256 {' '.join(map(str, hashes))}"
    return options


def _models() -> list[str]:
    """Hashes of all model files that could be used."""
    folders = model_folders()
    return [
        f"{path.name} {sha256_of(str(path))}" for at in folders for path in sorted(at.glob("*.safetensors"))
    ]
