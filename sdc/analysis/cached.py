"""The analysis that a command asks for, run or taken from its cache."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..errors import SdcError
from .hashes import code_hash
from .pipeline import analyze, chosen_providers
from .steps import PROVIDERS, Options

SETTINGS = {"url": "SDC_CHAT_URL", "model": "SDC_CHAT_MODEL", "key": "SDC_CHAT_KEY"}
"""Variables of the environment that stand for options not given."""


OF_SDC = ("types", "objects")
"""Parts of ``sdc`` on which the result of an analysis depends."""


def options_of(args: argparse.Namespace) -> Options:
    """What the arguments ask for, and the environment where they are silent.

    Raises:
        SdcError: ``E_USAGE`` for arguments about a model that nothing asks; variables of the environment may
            stay unused.
    """
    found = {
        name: getattr(args, name)
        for name in Options.__dataclass_fields__
        if name not in SETTINGS and hasattr(args, name)
    }
    given = {"url": args.url, "model": args.chat_model, "key": args.key}
    for name, variable in SETTINGS.items():
        found[name] = given[name] if given[name] is not None else os.environ.get(variable, "")
    options = Options(**found)
    chosen = chosen_providers(options)
    asked = {chosen["tags"], chosen["ranking"]}
    if asked <= {"", *PROVIDERS["tags"], *PROVIDERS["ranking"]}:  # others may look at what they like
        for option, value, takers in (
            ("--chat", args.url, {"chat"}),
            ("--chat-key", args.key, {"chat"}),
            ("--chat-model", args.chat_model, {"chat", "internvl"}),
            ("--text-only", args.text_only, {"chat", "internvl"}),
        ):
            if value and not asked & takers:
                message = "has no effect: no step is by " + " or ".join(sorted(takers))
                raise SdcError("E_USAGE", message, option)
    return options


def analysed(pixels: npt.NDArray[np.uint8], args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Run the analysis that the arguments ask for, or take its result from the cache.

    Returns:
        ``(JSON of spec/objects.md, warnings)``.

    Raises:
        SdcError: as :func:`sdc_reference.analysis.analyze`; ``E_IO`` when the cache cannot be written.
    """
    options = options_of(args)
    place = None if args.cache is None else Path(args.cache, f"{_fingerprint(pixels, options)}.json")
    if place is not None:
        with suppress(OSError, ValueError):
            kept = json.loads(place.read_bytes())
            return kept, []
    result = analyze(pixels, options)
    described = result.as_dict()
    # What a failure has led to is not kept: the next time may go well.
    if place is not None and not result.warnings:
        _keep(place, described)
    return described, result.warnings


def _fingerprint(pixels: npt.NDArray[np.uint8], options: Options) -> str:
    """SHA-256 of a picture, of what was asked (but not of the key), of files named, and of the code."""
    asked = replace(options, key="", timeout=0.0)
    code = f"{code_hash('sdc.analysis')} {code_hash('sdc', OF_SDC)}"
    hashed = hashlib.sha256(f"{__version__} {code} {pixels.shape} {asked!r}".encode())
    hashed.update(np.ascontiguousarray(pixels))
    for path in (options.detector, options.saliency, options.vocabulary):
        with suppress(OSError):
            hashed.update(Path(path).read_bytes() if path else b"")
    return hashed.hexdigest()


def _keep(place: Path, described: dict[str, Any]) -> None:
    """Write a result to the cache, whole or not at all."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".sdc-", dir=place.parent)
        with os.fdopen(handle, "w") as file:
            json.dump(described, file)
        os.replace(temporary, place)
    except OSError as error:
        raise SdcError("E_IO", f"could not write: {error.strerror}", str(place)) from None
