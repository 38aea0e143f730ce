"""A hash of source code, for caches that must not outlive the code that filled them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path


@cache
def code_hash(package: str, parts: tuple[str, ...] = ()) -> str:
    """Eight hexadecimal digits of the SHA-256 of the modules of a package, one after the other.

    Args:
        package: its name, such as ``sdc``.
        parts: modules and sub-packages of it, such as ``types`` or ``objects``, in this order; the whole
            package, by path, where none is given.
    """
    folder = Path(str(files(package)))
    hashed = hashlib.sha256()
    for part in parts or (".",):
        place = folder / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]:
            hashed.update(path.read_bytes())
    return hashed.hexdigest()[:8]


def weights_beside(path: str) -> list[Path]:
    """Files that hold weights of a network, by their names: ``model.onnx.data``, ``model.onnx_data``."""
    named = (Path(f"{path}{ending}") for ending in (".data", "_data"))
    return [file for file in named if file.is_file()]
