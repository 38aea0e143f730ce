"""What has been coded and evaluated, in a folder, by the hash of all that it was made from.

Every entry is a file of its own that appears at once, so that runs may stop at any time and several may share
a folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Store:
    """A folder of results."""

    folder: Path

    def file(self, made_from: list[Any], make: Callable[[], bytes]) -> bytes:
        """The file made from something, from the folder or anew."""
        path = self._path("files", made_from)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return self._keep(path, make())

    def find(self, made_from: list[Any]) -> dict[str, Any] | None:
        """A result that is there; one that cannot be read is as good as none."""
        try:
            found = json.loads(self._path("rows", made_from).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def keep(self, made_from: list[Any], row: dict[str, Any]) -> None:
        """Keep a result."""
        self._keep(self._path("rows", made_from), json.dumps(row).encode())

    def _path(self, kind: str, made_from: list[Any]) -> Path:
        key = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()
        return self.folder / kind / key[:2] / key[2:]

    @staticmethod
    def _keep(path: Path, data: bytes) -> bytes:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        part.write_bytes(data)
        part.replace(path)
        return data
