"""Words for an open vocabulary, and the names of COCO's classes."""

from __future__ import annotations

from pathlib import Path

from ...errors import SdcError
from ..interfaces import Options, Scene

COCO = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, "
    "stop sign, "
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, "
    "umbrella, "
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, "
    "skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, "
    "sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, "
    "dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, "
    "refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"
).split(", ")
"""The 80 classes in the order of detectors."""


MAX_WORDS = 2000


class Vocabulary:
    """Words of a text file, one per line; without a file, those of COCO.

    Raises:
        SdcError: ``E_INPUT`` when there is no such file, ``E_USAGE`` when it is not text or has no word.
    """

    def __init__(self, options: Options):
        self.model = Path(options.vocabulary).name or "COCO"
        self.words = list(COCO)
        if options.vocabulary:
            try:
                text = Path(options.vocabulary).read_text("utf-8")
            except OSError as error:
                raise SdcError(
                    "E_INPUT", f"could not read the vocabulary: {error.strerror}", options.vocabulary
                ) from None
            except ValueError:
                raise SdcError("E_USAGE", "the vocabulary is not UTF-8 text", options.vocabulary) from None
            self.words = [line.strip() for line in text.splitlines() if line.strip()][:MAX_WORDS]
            if not self.words:
                raise SdcError(
                    "E_USAGE", "the vocabulary holds no word; write one a line", options.vocabulary
                )

    def suggest(self, scene: Scene) -> list[str]:
        """The words, whatever the picture."""
        return self.words
