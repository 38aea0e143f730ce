"""What a network's metadata says of its classes and its input, checked."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

SMALLEST, LARGEST = 32, 4096
"""Sides of an input that are believed."""


def value_of(text: str) -> Any:
    """What a text says in JSON or in Python's notation; the text itself where it is neither."""
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return read(text)
    return text


def class_names(told: Mapping[str, str]) -> tuple[dict[int, str], str]:
    """Names of classes by number: of a list or of an object, in JSON or Python's notation.

    Returns:
        ``(names, what is wrong with them, in words)``.
    """
    text = told.get("names", told.get("classes", ""))
    found = value_of(text)
    if isinstance(found, str) and "," in found:
        found = [part.strip() for part in found.split(",")]
    if isinstance(found, (list, tuple)):
        found = dict(enumerate(found))
    names: dict[int, str] = {}
    if isinstance(found, dict):
        for key, name in found.items():
            with suppress(ValueError, TypeError):
                names[int(key)] = str(name)
    return names, "its names of classes cannot be read" if text and not names else ""


def usual_size(told: Mapping[str, str]) -> tuple[tuple[int, int] | None, str]:
    """Rows and columns of the input that the network is used to.

    Returns:
        ``(the size or None, what is wrong with it, in words)``.
    """
    text = told.get("imgsz", "")
    found = value_of(text)
    if isinstance(found, str):
        found = value_of(found.replace("x", ","))
    sides = list(found) if isinstance(found, (list, tuple)) else [found]
    sides = [value_of(side) if isinstance(side, str) else side for side in sides]
    if len(sides) == 1:
        sides *= 2
    if not text:
        return None, ""
    if len(sides) == 2 and all(type(side) is int and SMALLEST <= side <= LARGEST for side in sides):
        return (sides[0], sides[1]), ""
    return None, f"its imgsz {text[:40]!r} is no size of an input and is left out"


def task_of(told: Mapping[str, str]) -> str:
    """What the network is for, in Ultralytics' words; empty where nothing says so."""
    return told.get("task", "").strip().lower()


def keypoint_values(told: Mapping[str, str]) -> int:
    """How many values each pose has; 0 where nothing says so."""
    shape = value_of(told.get("kpt_shape", ""))
    if isinstance(shape, (list, tuple)) and len(shape) == 2 and all(type(n) is int and n > 0 for n in shape):
        return int(shape[0] * shape[1])
    return 0
