"""A hash of source code, for caches that must not outlive the code that filled them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files


@cache
def code_hash(package: str, modules: tuple[str, ...] = ()) -> str:
    """Eight hexadecimal digits of the SHA-256 of modules of a package, one after the other.

    Args:
        package: its name, such as ``sdc``.
        modules: their names, in this order; all of the package, by name, where none is given.
    """
    folder = files(package)
    names: Iterable[str] = (f"{name}.py" for name in modules)
    if not modules:
        names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".py"))
    hashed = hashlib.sha256()
    for name in names:
        hashed.update((folder / name).read_bytes())
    return hashed.hexdigest()[:8]
