"""What an image of Pillow carries beside its pixels, and what that means for a stream of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..notes import Notes

ORIENTATION = 0x0112


def profile_of_image(image: Any, notes: Notes) -> bytes | None:
    """ICC profile of an image of Pillow in mode RGB; ``None`` for none, and for an array.

    Args:
        image: of Pillow, or any array.
        notes: what does not come along is said here.

    Raises:
        SdcError: ``E_PICTURE`` in place of a note, where these are strict.
    """
    info = getattr(image, "info", None)
    if not isinstance(info, dict):
        return None
    if "transparency" in info:
        notes.add("the transparent colour is not kept")
    orientation = _orientation(image)
    if orientation != 1:
        notes.add(f"the EXIF orientation {orientation} is not applied; ImageOps.exif_transpose does")
    profile = info.get("icc_profile")
    if not isinstance(profile, bytes):
        return None
    from ..colour.recognise import whole_profile  # by Pillow, which takes its time to load

    whole = whole_profile(profile)
    if whole is None or whole[16:20] != b"RGB ":
        notes.add("the colour profile is not one of RGB, or damaged, and is dropped")
        return None
    return whole


def _orientation(image: Any) -> int:
    """EXIF orientation of an image of Pillow; 1 where it has none that turns it."""
    found = 1
    with suppress(Exception):  # broken metadata, told in many ways
        found = int(image.getexif().get(ORIENTATION, 1))
    return found if 2 <= found <= 8 else 1
