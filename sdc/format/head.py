"""The start of the head: size of the image, required features and model (spec section "HEAD")."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SdcError, spec_data
from ..types import CELL
from .chunks import VERSION
from .fields import Payload, encode_varint

FEATURES = sum(1 << row["bit"] for row in spec_data("registry.json")["features"]["entries"])
"""Required-feature bits that this reader knows."""

MAX_AREA = 1 << 30
"""Pixels of an image (HEAD-02)."""


@dataclass(frozen=True)
class Head:
    """Size in pixels, required features, model number and the start of its hash."""

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


def find_head(payload: Payload) -> Head | None:
    """Size and model from the fields of the head, if so much of it was read."""
    values = {t.path.removeprefix("HEAD."): t.value for t in payload.fields}
    names = ("width", "height", "model", "weights", "features", "version")
    return Head(*(values[name] for name in names)) if all(name in values for name in names) else None


def check_head(payload: Payload) -> Head:
    """Size and model from the fields of the head.

    An unknown feature may change all that stands behind it, and so counts before what is wrong there
    (HEAD-03).

    Raises:
        SdcError: ``E_HEAD_SIZE``, ``E_FEATURE``, ``E_VARINT`` or ``E_PAYLOAD_LENGTH``; or what is
            wrong with a field of the groups.
    """
    read = {t.path: t for t in payload.fields}
    if "HEAD.height" in read:
        width, height = read["HEAD.width"].value, read["HEAD.height"].value
        if width * height > MAX_AREA:
            offset = read["HEAD.height"].offset
            raise SdcError("E_HEAD_SIZE", f"{width} x {height} pixels", "HEAD.height", offset)
    features = read.get("HEAD.features")
    if features is not None and features.value & ~FEATURES:
        raise SdcError("E_FEATURE", f"required features 0x{features.value:X}", features.path, features.offset)
    payload.whole()
    head = find_head(payload)
    assert head is not None
    return head


def check_area(head: Head, payload: Payload, limit: int) -> None:
    """Refuse more pixels than the caller agrees to.

    Raises:
        SdcError: ``E_LIMIT`` at the width.
    """
    if head.width * head.height > limit:
        area = f"{head.width} x {head.height} pixels"
        raise SdcError("E_LIMIT", area, "HEAD.width", payload.offset("HEAD.width"))


def head_values(head: Head) -> dict[str, int | bytes]:
    """Fields of the head by name, ``width`` to ``version``."""
    return {
        "width": head.width,
        "height": head.height,
        "features": head.features,
        "model": head.model,
        "weights": head.weights,
        "version": head.version,
    }


def seed_of(head: Head) -> bytes:
    """Bytes of the head from ``width`` to ``version``, which the CRC of group data starts with (LATN-04)."""
    numbers = (head.width, head.height, head.features, head.model)
    return b"".join(map(encode_varint, numbers)) + head.weights + bytes([head.version])
