"""Situations of the field: what is given, what comes of it, and what is said.

Each module of this package has a ``TITLE`` and ``ROWS``, and a test that takes every row as a case
(``pytest.mark.parametrize("row", ROWS, ids=str)``), makes what is given, and calls :func:`check`.
``make tables`` writes the rows into ``docs/situations.md``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sdc.errors import SdcError


@dataclass(frozen=True)
class Situation:
    """A row of the table.

    Attributes:
        given: the situation, in words for the page; of its module no two are the same.
        happens: what comes of it, in words for the page.
        said: the note, or the message of the error, word for word; an ellipsis stands for what varies.
            Empty: nothing is said.
        code: of the error, where it is refused.
        make: what is given, for the test.
        options: what else the test needs to know.
    """

    given: str
    happens: str
    said: str = ""
    code: str = ""
    make: Callable[[], Any] = field(default=lambda: None, compare=False, repr=False)
    options: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __str__(self) -> str:
        return self.given


def check(row: Situation, notes: Iterable[str], error: SdcError | None = None) -> None:
    """Hold what was said to a row: its note and no other, or its error, and nothing where it says nothing."""
    assert (error.code if error else "") == row.code, error or f"was not refused; notes: {list(notes)}"
    said = [error.message] if error else list(notes)
    assert len(said) == bool(row.said), said
    pattern = ".*".join(map(re.escape, row.said.split("…")))
    assert not said or re.fullmatch(pattern, said[0], re.DOTALL), said[0]
