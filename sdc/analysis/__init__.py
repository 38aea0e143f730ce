"""What is in an image, and how much it matters: words, boxes, masks, captions, levels with reasons.

:func:`analyze` runs the steps; each is done by a provider that is chosen by its name (:mod:`.registry`).
Its result is written as the JSON of ``spec/objects.md``.
The default needs no network, no download and no package but those of the light install.
"""

from __future__ import annotations

from .interfaces import Options, Ranked, Scene
from .pipeline import analyze
from .result import Analysis

__all__ = ["Analysis", "Options", "Ranked", "Scene", "analyze"]
