"""State of a file by its errors (spec section "States of a file")."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import SdcError

SEVERITIES = ("invalid", "unsupported", "partial")
"""Classes of errors that a stream can have, worst first; also the states of a file that is not valid."""


def state_of(errors: Iterable[SdcError]) -> str:
    """State of a file with these errors: ``valid``, ``partial``, ``unsupported`` or ``invalid``."""
    kinds = {error.kind for error in errors}
    return next((kind for kind in SEVERITIES if kind in kinds), "valid")
