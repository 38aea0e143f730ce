"""Results of the analysis, kept in a folder by image, options and code."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from .._version import __version__
from ..errors import SdcError
from ..networks.backbone import FILE
from ..networks.registry import models_folder
from ..paths import write_file
from ..types import Pixels
from .hashes import code_hash, weights_beside
from .interfaces import Options
from .pipeline import analyze
from .result import Analysis

OF_SDC = ("types", "objects", "networks")
"""Parts of ``sdc`` on which the result of an analysis depends."""


def analyze_cached(
    pixels: Pixels, options: Options, folder: str | Path | None, *, strict: bool = False
) -> Analysis:
    """Analyze an image, or take the same result from a cache.

    A result with warnings is not kept: the next time may go well.
    A cache that cannot be written is a note.

    Args:
        pixels: ``uint8 [H, W, 3]`` RGB.
        options: what is asked for.
        folder: the cache, made if it is not there; ``None`` for none.
        strict: whether what would be a note is an error.

    Raises:
        SdcError: as :func:`.pipeline.analyze`.
    """
    if folder is None:
        return analyze(pixels, options, strict=strict)
    place = Path(folder, f"{_fingerprint(pixels, options)}.json")
    height, width = pixels.shape[:2]
    with suppress(OSError, ValueError, RecursionError, SdcError):
        return Analysis.from_dict(json.loads(place.read_bytes()), width, height)
    result = analyze(pixels, options, strict=strict)
    if result.warnings:
        return result
    try:
        _keep(place, json.dumps(result.as_dict()))
    except SdcError as error:
        return replace(result, told=(f"the result is not kept: {error.message} ({folder})",))
    return result


def _fingerprint(pixels: Pixels, options: Options) -> str:
    """SHA-256 of an image, of what was asked (but not of the key), of networks' files, and of the code."""
    asked = replace(options, key="", proxy="", timeout=0.0)
    code = f"{code_hash('sdc.analysis')} {code_hash('sdc', OF_SDC)}"
    hashed = hashlib.sha256(f"{__version__} {code} {pixels.shape} {asked!r}".encode())
    hashed.update(np.ascontiguousarray(pixels).data)
    beside = weights_beside(options.detector) if options.detector else []
    finder = str(models_folder() / FILE)
    for path in (finder, options.detector, options.saliency, options.vocabulary, *map(str, beside)):
        with suppress(OSError):
            hashed.update(Path(path).read_bytes() if path else b"")
    return hashed.hexdigest()


def _keep(place: Path, described: str) -> None:
    """Write a result to the cache, whole or not at all."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SdcError("E_IO", f"could not write: {error.strerror}", str(place)) from None
    write_file(place, described.encode())
