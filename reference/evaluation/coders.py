"""The codecs that are measured, SDC and others behind one interface."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import numpy as np

import sdc
from sdc.analysis import hashes
from sdc.analysis.finder import finder
from sdc.codec.presets import Preset
from sdc.errors import SdcError
from sdc.format.parse import parse
from sdc.networks.backbone import FILE
from sdc.networks.registry import find_model_file, load_encoder
from sdc.objects.object import Object
from sdc.types import Pixels

from .areas import Bools, cells_of, filled
from .codecs import PEERS, Codec
from .encoders import model_hash
from .variants import Variant

SETTINGS: dict[str, tuple[float, ...]] = {
    "sdc": (4, 13, 24, 38, 50, 63),
    "jpeg": (8, 18, 38, 75, 90),
    "webp": (0, 20, 45, 75, 92),
    "avif": (10, 22, 36, 54, 72, 90),
    "jxl": (12, 6.5, 3.5, 1.6, 0.8),
}
"""What is measured by default: from rates at which machines fail to those at which they notice nothing."""
CODE = ("types", "format", "coding", "networks", "objects", "codec")
"""Parts of ``sdc`` on which its streams and images depend, but for presets, which variants name."""


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
        """The cells of some levels, ``bool [H, W]``; see :func:`sdc_reference.evaluation.areas.cells_of`."""
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
        version: all that its files depend on but the image, its objects and the setting.
    """

    settings: Sequence[float]
    version: str

    def encode(self, variant: Variant, subject: Subject, setting: float) -> bytes:
        """A file of the image, all groups included."""

    def sent(self, variant: Variant, data: bytes) -> bytes:
        """The part of the file that a receiver needs; its length is the rate."""

    def decode(self, variant: Variant, data: bytes) -> Pixels:
        """The image that a receiver of that part sees."""


def code_hash() -> str:
    """Eight hexadecimal digits of the SHA-256 of the modules of ``CODE``."""
    return hashes.code_hash("sdc", CODE)


def files_of(preset: Preset) -> list[str]:
    """Eight hexadecimal digits each of the SHA-256 of files, beside its model's, that a preset names.

    Args:
        preset: that may have an analysis or a restoration model.

    Raises:
        SdcError: ``E_MODEL`` for a file that is not here.
    """
    names = [f"sdc-model-{preset.analysis}-encoder.safetensors"] if preset.analysis is not None else []
    names += [f"sdc-model-{preset.restoration}.safetensors"] if preset.restoration is not None else []
    return [_digest(name) for name in names]


def _digest(name: str) -> str:
    path = find_model_file(name)
    if path is None:
        raise SdcError("E_MODEL", f"{name} is not here")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


class SdcCoder:
    """SDC with one of its models."""

    def __init__(self, model: int):
        self.model = model
        self.settings: Sequence[float] = SETTINGS["sdc"]
        self.version = f"model {model_hash(model)}, sdc {sdc.__version__}, code {code_hash()}"
        if load_encoder(model).feature_weights is not None:
            self.version += f", {FILE} {finder().sha256[:8]}"

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
    """Another codec, on the whole image or on one that is flattened outside the objects.

    Raises:
        ImportError: it is not installed.
    """

    def __init__(self, codec: Codec, settings: Sequence[float]):
        self.codec = codec
        self.settings = settings
        self.version = f"{codec.name} {codec.version()}"

    def encode(self, variant: Variant, subject: Subject, setting: float) -> bytes:
        """A file of the image, flattened if the variant names levels."""
        pixels = subject.pixels
        if variant.levels:
            area = subject.area(variant.levels, subject.margin_of(variant))
            pixels = filled(pixels, area, variant.fill)
        return self.codec.encode(pixels, setting)

    def sent(self, variant: Variant, data: bytes) -> bytes:
        """The file."""
        return data

    def decode(self, variant: Variant, data: bytes) -> Pixels:
        """The image as the codec shows it."""
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
