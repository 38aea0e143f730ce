"""Where the objects for the encoder come from.

- ``masks``: the true objects of ``instances.json``: an oracle, which no encoder has;
- ``detector``: a detector or segmenter of :mod:`sdc.analysis`, which should not be the evaluator; where
  it finds nothing there are no objects;
- ``default``: the built-in analysis, without any other network;
- ``recorded``: what an analysis found before, with its levels: ``NAME.json`` of a folder for each image, as
  ``sdc analyze FOLDER -o OUT`` writes them, with a multimodal model (``--chat``) or without.

``detector@random`` are the same objects with their levels given in another way (:mod:`.rankings`).
``masks+1`` is the same with a margin of one cell around every object, which SDC's encoder makes
(:func:`sdc.objects.grouping.group_map`) and from which the cells come that other codecs do not flatten.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sdc.analysis import Options, analyze
from sdc.objects.object import Object
from sdc.types import Pixels

from .rankings import RANKINGS, ranked_by

KINDS = ("masks", "detector", "default", "recorded")


@dataclass(frozen=True)
class Source:
    """A source of objects.

    Attributes:
        text: as on the command line.
        instances: COCO's JSON, for ``masks``.
        detector: an ONNX file, for ``detector``.
        recorded: a folder of JSON, for ``recorded``.
    """

    text: str
    instances: Path | None = None
    detector: Path | None = None
    recorded: Path | None = None

    def __post_init__(self) -> None:
        match = re.fullmatch(rf"({'|'.join(KINDS)})(?:@({'|'.join(RANKINGS)}))?(?:\+(\d))?", self.text)
        if match is None:
            raise ValueError(
                f"{self.text!r} is not one of {', '.join(KINDS)}, perhaps with @RANKING, one of "
                f"{', '.join(RANKINGS)}, and with +CELLS of margin"
            )
        if match[1] == "masks" and self.instances is None:
            raise ValueError("masks: the data has no instances.json")
        if match[1] == "detector" and self.detector is None:
            raise ValueError("detector: needs --detector FILE")
        if match[1] == "recorded" and self.recorded is None:
            raise ValueError("recorded: needs --recorded FOLDER")

    @property
    def kind(self) -> str:
        """One of ``KINDS``."""
        return self.text.partition("+")[0].partition("@")[0]

    @property
    def ranking(self) -> str:
        """One of ``RANKINGS``; empty where levels are those that the source gives."""
        return self.text.partition("+")[0].partition("@")[2]

    @property
    def margin(self) -> int:
        """Cells around objects."""
        return int(self.text.partition("+")[2] or 0)

    @cached_property
    def _find(self) -> Callable[[Pixels, str], list[Object]]:
        if self.kind == "masks":
            assert self.instances is not None
            source: dict[str, Any] = json.loads(self.instances.read_text())
            with_objects = {row["image_id"] for row in source["annotations"] if not row.get("iscrowd")}
            some = {row["file_name"]: row["id"] in with_objects for row in source["images"]}

            def true(pixels: Pixels, name: str) -> list[Object]:
                if name not in some:
                    raise ValueError(f"{self.instances} does not name it")
                return Object.load(source, pixels.shape[1], pixels.shape[0], name) if some[name] else []

            return true
        if self.kind == "recorded":
            return self._read
        if self.kind == "default":
            return lambda pixels, _: list(analyze(pixels, Options()).objects)
        options = Options(detector=str(self.detector))

        def found(pixels: Pixels, name: str) -> list[Object]:
            # The analysis makes good what a detector fails at or does not find, by what stands out.
            made = analyze(pixels, options)
            for warning in made.warnings:
                if warning.startswith("grounding by"):
                    raise RuntimeError(warning)
            return list(made.objects) if made.provenance["grounding"]["provider"] == "onnx" else []

        return found

    def _read(self, pixels: Pixels, name: str) -> list[Object]:
        """The objects that were recorded of an image."""
        assert self.recorded is not None
        path = (self.recorded / name).with_suffix(".json")
        if not path.is_file():
            raise ValueError(f"{path} is not there: nothing was recorded of it")
        return Object.load(path, pixels.shape[1], pixels.shape[0])

    def objects(self, pixels: Pixels, name: str) -> list[Object]:
        """The objects of an image, without the margin.

        Args:
            pixels: ``uint8 [H, W, 3]``.
            name: of its file, as ``instances.json`` has it.

        Raises:
            RuntimeError: the detector failed.
            ValueError: ``instances.json`` does not name the image, or nothing was recorded of it.
        """
        found = self._find(pixels, name)
        return ranked_by(self.ranking, found, name) if self.ranking else found


def objects_hash(objects: list[Object], width: int, height: int) -> str:
    """SHA-256 of objects as ``spec/objects.md`` writes them."""
    return hashlib.sha256(json.dumps(Object.dump(objects, width, height)).encode()).hexdigest()
