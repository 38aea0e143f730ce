"""The codecs that are measured, each in the ways that its name on the command line says.

``NAME[:LEVELS][@OPTION,...]``, for example:

- ``sdc``: the whole picture as one group, ``avif``: the whole picture;
- ``sdc:all``: the whole picture in groups of levels; ``sdc:1``, ``sdc:1-2``, ``sdc:1-3``: the stream of these
  levels alone, as :func:`sdc.extract` makes it;
- ``avif:1-3``: the fair opponent: the picture with everything outside the cells of these levels flattened;
- ``sdc:all@L2-6,other-20``: quality indices of levels that differ, and the other options of
  :mod:`sdc.codec.presets`; the setting is that of the picture's most important level;
  ``sdc:for-detection``: the preset of a task;
- ``sdc@model2``: another model than that of ``--model``;
- ``sdc:1-3@effort3``: the effort of the encoder; ``sdc@metadata``: with the objects described in the file;
- ``sdc:1-3@margin1``, ``avif:1-3@margin1``: with a margin of a cell around the objects, unless that of the
  source is larger;
- ``sdc:1-3@mean``, ``@blur``: what fills the area that is not transmitted, by the decoder for SDC and before
  encoding for the others; grey by default.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import numpy as np

import sdc
from sdc.analysis import hashes
from sdc.codec.presets import EQUAL, PRESETS, Preset, with_option
from sdc.format.parse import parse
from sdc.objects.object import Object

from ..bench.codecs import PEERS, Codec
from ..bench.common import model_hash
from .areas import FILLS, Bools, Pixels, cells_of, filled

SETTINGS: dict[str, tuple[float, ...]] = {
    "sdc": (4, 13, 24, 38, 50, 63),
    "jpeg": (8, 18, 38, 75, 90),
    "webp": (0, 20, 45, 75, 92),
    "avif": (10, 22, 36, 54, 72, 90),
    "jxl": (12, 6.5, 3.5, 1.6, 0.8),
}
"""What is measured by default: from rates at which machines fail to those at which they notice nothing."""
PARTS = {"1": (0,), "1-2": (0, 1), "1-3": (0, 1, 2), "all": (0, 1, 2, 3)}
FOR = "for-"
CODE = ("types", "format", "coding", "networks", "objects", "codec")
"""Parts of ``sdc`` on which its streams and pictures depend, but for presets, which variants name."""


@dataclass(frozen=True)
class Variant:
    """A codec and a way to use it, as its text says; see the module.

    Attributes:
        text: what was asked for.
        name: of the codec.
        levels: codes of the levels that are transmitted; empty for a picture without objects.
        preset: how SDC treats its levels; of other codecs the margin alone.
        fill: one of ``FILLS``.
        metadata: whether SDC's file describes the objects.
    """

    text: str
    name: str
    levels: tuple[int, ...] = ()
    preset: Preset = EQUAL
    fill: str = "grey"
    metadata: bool = False

    @property
    def coder(self) -> str:
        """Name of what codes: the codec, and its model where the preset names one."""
        return self.name if self.preset.model is None else f"{self.name}@model{self.preset.model}"

    @property
    def partial(self) -> bool:
        """Whether some of the picture may be left out."""
        return self.levels not in ((), PARTS["all"])


def parse_variant(text: str) -> Variant:
    """A variant from its text.

    Raises:
        ValueError: the text is not as the module describes.
    """
    match = re.fullmatch(r"([\w.-]+)(?::([\w-]+))?(?:@(.+))?", text)
    tasks = {FOR + task: preset for task, preset in PRESETS.items()}
    if match is None or (match[2] is not None and match[2] not in PARTS | tasks):
        raise ValueError(f"{text!r} is not NAME[:{'|'.join([*PARTS, *tasks])}][@OPTION,...]")
    name, fill, metadata = match[1], "grey", False
    part = match[2] or ""
    preset = tasks.get(part, EQUAL)
    levels = PARTS.get(part, PARTS["all"]) if part else ()
    if name != "sdc" and levels == PARTS["all"]:
        raise ValueError(f"{text!r}: {name} has no groups; the whole picture is just {name!r}")
    for option in match[3].split(",") if match[3] else ():
        shaped = with_option(preset, option) if levels or option.startswith(("model", "effort")) else None
        if option in FILLS:
            fill = option
        elif name == "sdc" and option == "metadata":
            metadata = True
        elif shaped is not None and (name == "sdc" or option.startswith("margin")):
            preset = shaped
        else:
            where = "" if levels else " on whole pictures"
            raise ValueError(f"{text!r}: {option!r} is no option of {name}{where}")
    return Variant(text, name, levels, preset, fill, metadata)


@dataclass(frozen=True, eq=False)
class Subject:
    """What is coded.

    Attributes:
        pixels: ``uint8 [H, W, 3]``.
        objects: with levels or without; empty where no source was asked.
        margin: cells around objects that the source gives them.
    """

    pixels: Pixels
    objects: Sequence[Object] = ()
    margin: int = 0
    _areas: dict[tuple[tuple[int, ...], int], Bools] = field(default_factory=dict)

    def margin_of(self, variant: Variant) -> int:
        """The margin of the source or that of the variant, whichever is larger."""
        return max(self.margin, variant.preset.margin)

    def area(self, levels: tuple[int, ...], margin: int) -> Bools:
        """The cells of some levels, ``bool [H, W]``; see :func:`sdc_reference.accuracy.areas.cells_of`."""
        if (levels, margin) not in self._areas:
            height, width = self.pixels.shape[:2]
            self._areas[levels, margin] = cells_of(self.objects, width, height, levels, margin)
        return self._areas[levels, margin]

    def hash(self, levels: tuple[int, ...], margin: int) -> str:
        """SHA-256 of these cells."""
        area = self.area(levels, margin)
        return hashlib.sha256(f"{area.shape}".encode() + np.packbits(area).tobytes()).hexdigest()


class Coder(Protocol):
    """A codec.

    Attributes:
        settings: by rising rate.
        version: all that its files depend on but the picture, its objects and the setting.
    """

    settings: Sequence[float]
    version: str

    def encode(self, variant: Variant, subject: Subject, setting: float) -> bytes:
        """A file of the picture, all groups included."""

    def sent(self, variant: Variant, data: bytes) -> bytes:
        """The part of the file that a receiver needs; its length is the rate."""

    def decode(self, variant: Variant, data: bytes) -> Pixels:
        """The picture that a receiver of that part sees."""


def code_hash() -> str:
    """Eight hexadecimal digits of the SHA-256 of the modules of ``CODE``."""
    return hashes.code_hash("sdc", CODE)


class SdcCoder:
    """SDC with one of its models."""

    def __init__(self, model: int):
        self.model = model
        self.settings: Sequence[float] = SETTINGS["sdc"]
        self.version = f"model {model_hash(model)}, sdc {sdc.__version__}, code {code_hash()}"

    def encode(self, variant: Variant, subject: Subject, setting: float) -> bytes:
        """A stream of all groups."""
        return sdc.encode(
            subject.pixels,
            objects=subject.objects if variant.levels else (),
            quality=int(setting),
            preset=variant.preset,
            margin=subject.margin_of(variant),
            effort=variant.preset.effort or 0,
            metadata=variant.metadata,
            model=self.model,
        )

    def sent(self, variant: Variant, data: bytes) -> bytes:
        """The stream with the groups of other levels withdrawn; perhaps of none."""
        if not variant.partial:
            return data
        groups = [group.index for group in parse(data).groups if group.level.code in variant.levels]
        return sdc.extract(data, groups=groups)

    def decode(self, variant: Variant, data: bytes) -> Pixels:
        """The groups that are there, and the fill of the variant elsewhere."""
        got = sdc.decode(data)
        return filled(got.pixels, got.covered, variant.fill)


class PeerCoder:
    """Another codec, on the whole picture or on one that is flattened outside the objects.

    Raises:
        ImportError: it is not installed.
    """

    def __init__(self, codec: Codec, settings: Sequence[float]):
        self.codec = codec
        self.settings = settings
        self.version = f"{codec.name} {codec.version()}"

    def encode(self, variant: Variant, subject: Subject, setting: float) -> bytes:
        """A file of the picture, flattened if the variant names levels."""
        pixels = subject.pixels
        if variant.levels:
            area = subject.area(variant.levels, subject.margin_of(variant))
            pixels = filled(pixels, area, variant.fill)
        return self.codec.encode(pixels, setting)

    def sent(self, variant: Variant, data: bytes) -> bytes:
        """The file."""
        return data

    def decode(self, variant: Variant, data: bytes) -> Pixels:
        """The picture as the codec shows it."""
        return self.codec.decode(data)


@cache
def coder_of(name: str, model: int, externals: tuple[Codec, ...] = ()) -> Coder:
    """The coder of a name: ``sdc``, ``sdc@modelN``, one of ``PEERS``, or that of an external codec.

    Raises:
        ValueError: there is none of this name.
        ImportError: it is not installed.
    """
    base, _, own = name.partition("@model")
    if base == "sdc":
        return SdcCoder(int(own) if own else model)
    for codec in externals:
        if codec.name == name:
            return PeerCoder(codec, codec.settings)
    if name not in PEERS:
        known = ", ".join(["sdc", *PEERS, *(codec.name for codec in externals)])
        raise ValueError(f"no codec {name!r}; there are {known}")
    return PeerCoder(PEERS[name], SETTINGS[name])
