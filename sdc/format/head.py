"""The HEAD chunk: size of the image, required features and model (spec section "HEAD")."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SdcError, spec_data
from ..types import CELL
from .chunks import VERSION
from .fields import Payload, build_payload

FEATURES = sum(1 << row["bit"] for row in spec_data("registry.json")["features"]["entries"])
"""Required-feature bits that this reader knows."""

MAX_AREA = 1 << 30
"""Pixels of an image (HEAD-02)."""


@dataclass(frozen=True)
class Head:
    """HEAD: size in pixels, required features, model number and the start of its hash."""

    width: int
    height: int
    model: int
    weights: bytes
    features: int = 0
    version: int = VERSION

    @property
    def rows(self) -> int:
        """Rows of cells."""
        return -(-self.height // CELL)

    @property
    def cols(self) -> int:
        """Columns of cells."""
        return -(-self.width // CELL)


def check_features(payload: Payload) -> None:
    """Refuse a required feature that this reader does not know.

    It may change all that stands behind it, and so counts before what is wrong there (HEAD-03).

    Raises:
        SdcError: ``E_FEATURE``.
    """
    for entry in payload.fields:
        if entry.path == "HEAD.features" and entry.value & ~FEATURES:
            raise SdcError("E_FEATURE", f"required features 0x{entry.value:X}", entry.path, entry.offset)


def parse_head(payload: Payload) -> Head:
    """HEAD from its fields.

    Raises:
        SdcError: ``E_HEAD_SIZE``, ``E_VARINT`` or ``E_PAYLOAD_LENGTH``.
    """
    v = payload.whole()
    return Head(v.width, v.height, v.model, v.weights, v.features, v.version)


def check_area(head: Head, payload: Payload, limit: int) -> None:
    """Refuse more pixels than a stream can have, or than the caller agrees to.

    Raises:
        SdcError: ``E_HEAD_SIZE`` at the height, ``E_LIMIT`` at the width.
    """
    area = f"{head.width} x {head.height} pixels"
    if head.width * head.height > MAX_AREA:
        raise SdcError("E_HEAD_SIZE", area, "HEAD.height", payload.offset("HEAD.height"))
    if head.width * head.height > limit:
        raise SdcError("E_LIMIT", area, "HEAD.width", payload.offset("HEAD.width"))


def build_head(head: Head) -> bytes:
    """Payload of HEAD."""
    return build_payload(
        "HEAD",
        {
            "width": head.width,
            "height": head.height,
            "features": head.features,
            "model": head.model,
            "weights": head.weights,
            "version": head.version,
        },
    )
