"""What a task needs of an image: ``sdc encode --for TASK`` and ``sdc.encode(..., preset=TASK)``.

A preset is written as its options with commas between, each of which may be left out:

- ``L2-6``, ``other-20``: how far the quality index of a level is from those of the others; the most
  important level of an image always gets the quality that is asked for (:func:`.encoder.qualities_of`);
- ``margin1``: cells of background around objects that are coded as theirs are;
- ``model2``, ``effort3``: the number of the model, and the encoder's effort, where none is asked for;
- ``restoration4``: the number of the restoration model that streams name and that tells degradations;
- ``analysis4``: the number of the model whose encoder's file has the analysis for degraded images that is
  taken at effort 0, in place of the own one of the model that decodes.

``docs/accuracy.md`` says where each preset comes from, and how to search for better ones
(``python -m sdc_reference.evaluation presets``).
None of them concerns a decoder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import SdcError
from ..objects.grouping import MAX_MARGIN
from ..types import LEVELS


@dataclass(frozen=True)
class Preset:
    """How an image is coded for a task.

    Attributes:
        offsets: of the quality indices of L1, L2, L3 and other; only their differences count.
        margin: cells of background around objects of L1 to L3 that are coded with them.
        model: number of the model, or None for the usual one.
        effort: of the encoder, or None for the usual one.
        restoration: number of the restoration model that streams name, or None.
        analysis: number of the model whose encoder's file is taken at effort 0, or None for that of the
            model that decodes.
    """

    offsets: tuple[int, int, int, int] = (0, 0, 0, 0)
    margin: int = 0
    model: int | None = None
    effort: int | None = None
    restoration: int | None = None
    analysis: int | None = None

    def __str__(self) -> str:
        """The options; :func:`parse_preset` gives the same preset again."""
        parts = [f"{name}{shift:+d}" for name, shift in zip(LEVELS, self.offsets, strict=True) if shift]
        if self.margin:
            parts.append(f"margin{self.margin}")
        if self.model is not None:
            parts.append(f"model{self.model}")
        if self.effort is not None:
            parts.append(f"effort{self.effort}")
        if self.restoration is not None:
            parts.append(f"restoration{self.restoration}")
        if self.analysis is not None:
            parts.append(f"analysis{self.analysis}")
        return ",".join(parts)


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
    if number := re.fullmatch(r"model(\d{1,10})", option):
        return replace(preset, model=int(number[1]))
    if effort := re.fullmatch(r"effort(\d)", option):
        return replace(preset, effort=int(effort[1]))
    if restorer := re.fullmatch(r"restoration(\d{1,10})", option):
        return replace(preset, restoration=int(restorer[1]))
    if other := re.fullmatch(r"analysis(\d{1,10})", option):
        return replace(preset, analysis=int(other[1]))
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
            raise ValueError(f"{option!r} is not such as other-16, margin1 or model2")
        preset = found
    return preset


PRESETS: Mapping[str, Preset] = {
    name: parse_preset(text)
    for name, text in {
        "classification": "model2,effort3",
        "detection": "other-16,margin1,model2,effort3",
        "segmentation": "other-16,margin1,model2,effort3",
        "restoration": "effort0,restoration4,analysis4",
        "viewing": "",
    }.items()
}
"""By task."""


def preset_of(preset: str | Preset | None) -> Preset:
    """A preset, or that of a task, whose name may be in capitals and have spaces around it.

    Raises:
        SdcError: ``E_USAGE`` where there is none of this name.
    """
    if preset is None:
        return EQUAL
    if isinstance(preset, Preset):
        return preset
    found = PRESETS.get(preset.strip().casefold()) if isinstance(preset, str) else None
    if found is None:
        raise SdcError("E_USAGE", f"a preset is one of {', '.join(PRESETS)}, not {preset!r}")
    return found


OF_OBJECTS = frozenset({"detection", "segmentation"})
"""Tasks whose presets were found with objects: with regions that merely stand out a whole image of one
quality does better."""


OF_SALIENCY = frozenset({"salient", "saliency"})
"""Providers of grounding that find such regions, by the names that a provenance records."""


OF_REGIONS = OF_SALIENCY | {"finder"}
"""Providers of grounding that look for no words, and whose regions need no masks of another step."""


def preset_for(preset: str | Preset, provenance: Mapping[str, Any] | None) -> tuple[Preset, tuple[str, ...]]:
    """What a preset comes to for objects that were found in some way.

    The preset of a task in :data:`OF_OBJECTS`, asked for by name, gives its model and effort alone where the
    objects are regions that merely stand out.  A :class:`Preset` is taken as it is.

    Args:
        preset: of a task, or the task's name.
        provenance: how the objects were found, as ``spec/objects.md`` says it; ``None`` where nobody says.

    Returns:
        ``(preset, notes)``.

    Raises:
        SdcError: ``E_USAGE`` where there is no preset of this name.
    """
    wanted = preset_of(preset)
    found = provenance.get("grounding") if isinstance(provenance, Mapping) else None
    provider = found.get("provider") if isinstance(found, Mapping) else None
    if isinstance(preset, Preset) or not isinstance(provider, str) or provider not in OF_SALIENCY:
        return wanted, ()
    task = preset.strip().casefold()
    if task not in OF_OBJECTS:
        return wanted, ()
    left = Preset(model=wanted.model, effort=wanted.effort)
    used = "is not used" if left == EQUAL else "gives the model and the effort alone"
    why = "what stands out is no object; use the objects of a detector or of a file"
    return left, (f"the preset of {task} {used}: {why}",)
