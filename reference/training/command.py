"""The command ``python -m sdc_reference.training``; :mod:`.options` says what it takes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .loop import CannotBegin, train
from .options import arguments


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    options = arguments(argv)
    try:
        train(options)
    except CannotBegin as error:
        sys.exit(str(error))
