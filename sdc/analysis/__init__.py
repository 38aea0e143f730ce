"""What is in a picture, and how much it matters: words, boxes, masks, captions, levels with reasons.

:func:`analyze` runs the steps; each is done by a provider that is chosen by its name (:mod:`.steps`).
Its result is the JSON of ``spec/objects.md``.
The default needs no network, no download and no package but those of the light install.
"""

from __future__ import annotations

from .pipeline import Analysis, analyze
from .steps import Options, Ranked, Scene

__all__ = ["Analysis", "Options", "Ranked", "Scene", "analyze"]
