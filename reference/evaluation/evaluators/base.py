"""What an evaluator is: a network that looks at an image and answers.

It is called with pixels ``uint8 [H, W, 3]`` and gives what JSON can hold:

- of detection, a list of ``{"label": name, "score": 0..1, "box": [x, y, w, h]}`` in pixels of the image,
  best first; of segmentation with ``"rle"`` too, the compressed counts of COCO's mask of the image;
- of classification, a list of five labels, best first;
- of text, the lines that it reads; of captions one text; of questions an answer to each;
- of restoration, PSNR and MS-SSIM (:mod:`.restoration`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sdc.types import Pixels

Answer = list[Any]


@dataclass(frozen=True)
class Evaluator:
    """A network that answers.

    Attributes:
        version: what its answers depend on but the image.
        answer: of the image that is shown, and of the one in the data set that it was made from.
        prepare: makes what is coded of an image of the data set.
    """

    version: str
    answer: Callable[[Pixels, Pixels], Answer]
    prepare: Callable[[Pixels], Pixels] = lambda pixels: pixels


NOBODY = Evaluator("", lambda shown, clean: [])
"""Looks at nothing, for measurements of the coded image alone."""
