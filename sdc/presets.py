"""What a task needs of a picture: ``sdc encode --for TASK`` and ``sdc.encode(..., preset=TASK)``.

A preset is written as its options with commas between, each of which may be left out:

- ``L2-6``, ``other-20``: what is added to the quality index of a level;
- ``margin1``: cells of background around objects that are coded as theirs are;
- ``only1-3``: the levels that are stored, from L1 on; a picture without any of these is stored whole.

The presets were found by ``python -m sdc_reference.accuracy.presets`` on one half of a set of pictures, and
what they save was measured on the other: see ``docs/accuracy.md``.
None of them concerns a decoder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .container import LEVELS
from .errors import SdcError
from .objects import MAX_MARGIN

ALL = tuple(range(len(LEVELS)))
HIGHEST = 63


@dataclass(frozen=True)
class Preset:
    """How a picture is coded for a task.

    Attributes:
        offsets: what is added to the quality index of L1, L2, L3 and other.
        margin: cells of background around objects of L1 to L3 that are coded with them.
        levels: codes of the levels that are stored.
    """

    offsets: tuple[int, int, int, int] = (0, 0, 0, 0)
    margin: int = 0
    levels: tuple[int, ...] = ALL

    def __str__(self) -> str:
        """The options; :func:`parse_preset` gives the same preset again."""
        parts = [f"{name}{shift:+d}" for name, shift in zip(LEVELS, self.offsets, strict=True) if shift]
        if self.margin:
            parts.append(f"margin{self.margin}")
        if self.levels != ALL:
            parts.append("only1" if len(self.levels) == 1 else f"only1-{len(self.levels)}")
        return ",".join(parts)

    def qualities(self, quality: int) -> dict[str, int]:
        """The quality index of each level where that of the preset is ``quality``, cut to 0 to 63."""
        shifted = zip(LEVELS, self.offsets, strict=True)
        return {name: min(max(quality + shift, 0), HIGHEST) for name, shift in shifted}


EQUAL = Preset()
"""All levels alike."""


def with_option(preset: Preset, option: str) -> Preset | None:
    """A preset with one option more; None where it is no option of presets."""
    if shift := re.fullmatch(rf"({'|'.join(LEVELS)})([+-]\d\d?)", option):
        offsets = list(preset.offsets)
        offsets[LEVELS.index(shift[1])] = int(shift[2])
        a, b, c, d = offsets
        return replace(preset, offsets=(a, b, c, d))
    if (cells := re.fullmatch(r"margin(\d\d?)", option)) and int(cells[1]) <= MAX_MARGIN:
        return replace(preset, margin=int(cells[1]))
    if levels := re.fullmatch(r"only1(?:-([23]))?", option):
        return replace(preset, levels=ALL[: int(levels[1] or 1)])
    return None


def parse_preset(text: str) -> Preset:
    """A preset from its options.

    Raises:
        ValueError: one is not as the module describes.
    """
    preset = EQUAL
    for option in text.split(",") if text else ():
        found = with_option(preset, option)
        if found is None:
            raise ValueError(f"{option!r} is not such as other-16, margin1 or only1-3")
        preset = found
    return preset


PRESETS: Mapping[str, Preset] = {
    name: parse_preset(text)
    for name, text in {
        "classification": "other-16",
        "detection": "other-16,margin1",
        "segmentation": "other-16,margin1",
        "viewing": "",
    }.items()
}
"""By task."""


def preset_of(preset: str | Preset) -> Preset:
    """A preset, or that of a task.

    Raises:
        SdcError: ``E_USAGE`` where there is none of this name.
    """
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        raise SdcError("E_USAGE", f"there are presets for {', '.join(PRESETS)}, not for {preset!r}")
    return PRESETS[preset]
