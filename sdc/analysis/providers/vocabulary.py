"""Words for an open vocabulary."""

from __future__ import annotations

import codecs
from pathlib import Path

from ...errors import SdcError
from ...objects.classes import COCO
from ..interfaces import Options, Scene

MAX_WORDS = 2000


def _text(data: bytes) -> str:
    """Text in UTF-8, or in what its byte order mark says."""
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if marked else "utf-8-sig")


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
                text = _text(Path(options.vocabulary).read_bytes())
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
        """The words, whatever the image."""
        return self.words
