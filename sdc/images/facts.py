"""What an image file says of itself that Pillow does not tell, the same for all formats."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..colour.spaces import Primaries
from ..format.colr import CodePoints


@dataclass(frozen=True)
class Measured:
    """A colour space by its numbers.

    Attributes:
        gamma: the power that light is of samples, 2.2 for instance.
        primaries: chromaticities; ``None`` for those of sRGB.
        source: which part of the file says so.
    """

    gamma: float
    primaries: Primaries | None
    source: str


@dataclass(frozen=True)
class Tagged:
    """A colour space by code points of ITU-T H.273, or of this format's registry.

    Attributes:
        points: primaries and transfer.
        source: which part of the file says so.
    """

    points: CodePoints
    source: str


Claim = Measured | Tagged
"""What a part of a file says about the meaning of its samples."""


@dataclass
class Facts:
    """What a file says of itself.

    Attributes:
        data: the file, mended where that loses nothing.
        bits: most bits of a sample.
        most: largest value of grey samples that Pillow gives as wider than 8 bits.
        above: a claim that outranks the ICC profile.
        profile: an ICC profile that Pillow does not give; ``b""`` for one that is there and damaged.
        below: claims that count where there is no profile, the strongest first.
        negative: whether the least sample is white, and Pillow leaves it so.
        clear: the value, or the three values, of pixels that are transparent, of 8 bits.
        opaque: why what Pillow gives as alpha is none, in words; empty where it is one, or where none is.
        crop: what of the image is to be seen: left, upper, right, lower.
        shifted: whether Pillow shifts samples of less than 8 bits, and leaves the lowest bits 0.
        palette: R, G, B of all colours in turn, where Pillow gives others; empty where it does not.
        frame: index of the frame that is read, and why, in words, if it is not the first.
        frames: how many images it holds, where Pillow counts what are none; ``None``: ask Pillow.
        larger: size of a later image that is much larger than the first.
    """

    data: bytes
    bits: int = 8
    most: int = 65535
    above: Claim | None = None
    profile: bytes | None = None
    below: list[Claim] = field(default_factory=list)
    negative: bool = False
    clear: int | tuple[int, ...] | None = None
    opaque: str = ""
    crop: tuple[int, int, int, int] | None = None
    shifted: bool = False
    palette: bytes = b""
    frame: tuple[int, str] = (0, "")
    frames: int | None = None
    larger: tuple[int, int] | None = None
