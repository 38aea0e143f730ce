"""A file of what restores an image, for ``sdc encode --restoration``."""

from __future__ import annotations

from typing import Any

from ..errors import SdcError
from ..format.rest import Degradation, Restoration
from ..objects.values import parse_json
from .files import read_json_source


def read_restoration_file(path: str) -> Restoration:
    """What a JSON file says, in the form in which ``sdc info --json`` says it.

    A ``group`` that is ``null`` or not there stands for every other group; ``model`` may be the number alone.

    Raises:
        SdcError: ``E_USAGE`` for what is not of this form; ``E_INPUT`` or ``E_IO``; as
            :func:`sdc.objects.values.parse_json` for what is no JSON.
    """
    document = parse_json(read_json_source(path), path)
    try:
        model = document["model"]
        return Restoration(
            model["number"] if isinstance(model, dict) else model,
            vectors={row.get("group"): list(row["values"]) for row in document.get("vectors", ())},
            degradations=[_degradation(row) for row in document.get("degradations", ())],
        )
    except (AttributeError, KeyError, TypeError) as error:
        words = "wants an object of model, vectors and degradations"
        raise SdcError("E_USAGE", f"{words} ({type(error).__name__}: {error})", path) from None


def _degradation(row: dict[str, Any]) -> Degradation:
    return Degradation(row["kind"], row["strength"], row.get("group"))
