"""Docstrings refer to names in the way of Sphinx; this lets mkdocstrings show them as links or as code."""

from __future__ import annotations

import re
from typing import Any

import griffe

import sdc

ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?\.*([^`]+)`")


def shown(match: re.Match[str]) -> str:
    """A link for what has a place in the reference, and code for the rest."""
    name = match[1].removeprefix("sdc.")
    if name.partition(".")[0] in sdc.__all__:
        return f"[`{name}`][sdc.{name}]"
    return f"`{match[1]}`"


class Roles(griffe.Extension):
    """Rewrites every docstring that is loaded."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Replace the roles in the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(shown, obj.docstring.value)
