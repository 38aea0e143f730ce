"""What docstrings refer to is there."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"sdc": "sdc", "reference": "sdc_reference", "conformance": "sdc_conformance"}
REFERENCE = re.compile(r":(?:func|mod|class|meth|data|attr|exc):`~?([^`]+)`")


def module_of(path: Path) -> str:
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([PACKAGES[folder], *(part for part in rest if not part.startswith("__"))])


def follows(thing: object, names: list[str]) -> bool:
    """Whether attributes, of classes also annotated ones, lead from a thing to the last of the names."""
    for name in names:
        bases = getattr(thing, "__mro__", ())
        if any(name in inspect.get_annotations(base) for base in bases):
            return True
        if not hasattr(thing, name):
            return False
        thing = getattr(thing, name)
    return True


def resolves(name: str, inside: ModuleType) -> bool:
    """Whether a name as a docstring of a module writes it leads somewhere.

    It is absolute, or relative to the module's package with dots in front, or of the module or one of its
    classes.
    """
    dots = len(name) - len(name.lstrip("."))
    if dots:
        package = inside.__name__ if hasattr(inside, "__path__") else inside.__name__.rpartition(".")[0]
        name = ".".join([*package.split(".")[: len(package.split(".")) - dots + 1], name[dots:]])
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        if follows(found, parts[count:]):
            return True
    places = [inside, *(value for value in vars(inside).values() if isinstance(value, type))]
    return not dots and any(follows(place, parts) for place in places)


@pytest.mark.parametrize("folder", PACKAGES)
def test_references_in_docstrings_resolve(folder: str) -> None:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        if "decoders" in path.parts:
            continue
        names = {re.sub(r"\s+", "", name) for name in REFERENCE.findall(path.read_text("utf-8"))}
        if not names:
            continue
        try:
            inside = importlib.import_module(module_of(path))
        except ModuleNotFoundError as error:
            assert not str(error.name).startswith(tuple(PACKAGES.values()))
            continue  # what an extra brings is not here
        found += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(names) if not resolves(name, inside)]
    assert not found, "\n".join(found)


def test_a_reference_to_nothing_is_found() -> None:
    stream = importlib.import_module("sdc.format.stream")
    for name in ("sdc.format.parse.parse", ".parse.parse", "Stream.labels", "..types.Level", "with_group"):
        assert resolves(name, stream), name
    for name in ("sdc.format.parse.parse_asked", ".gone", ".gone.parse", "Stream.gone", "...types.Level"):
        assert not resolves(name, stream), name
