"""The ways in which a codec is measured, as its name on the command line says.

``NAME[:LEVELS][@OPTION,...]``, for example:

- ``sdc``: the whole image as one group, ``avif``: the whole image;
- ``sdc:all``: the whole image in groups of levels; ``sdc:1``, ``sdc:1-2``, ``sdc:1-3``: the stream of these
  levels alone, as :func:`sdc.extract` makes it;
- ``avif:1-3``: the fair opponent: the image with everything outside the cells of these levels flattened;
- ``sdc:all@L2-6,other-20``: quality indices of levels that differ, and the other options of
  :mod:`sdc.codec.presets`; the setting is that of the image's most important level;
  ``sdc:for-detection``: the preset of a task;
- ``sdc@model2``: another model than that of ``--model``;
- ``sdc:1-3@effort3``: the effort of the encoder; ``sdc@metadata``: with the objects described in the file;
- ``sdc:1-3@margin1``, ``avif:1-3@margin1``: with a margin of a cell around the objects, unless that of the
  source is larger;
- ``sdc:1-3@mean``, ``@blur``: what fills the area that is not transmitted, by the decoder for SDC and before
  encoding for the others; grey by default;
- ``avif:1-3@soft4``, ``@soft2``, ``@soft8``: nothing is flattened, but what is of other levels is coded from
  a quarter, half or eighth of its resolution; so an encoder has a poorer background that knows no regions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdc.codec.presets import EQUAL, PRESETS, Preset, with_option

from .areas import FILLS, SOFTENED

PARTS = {"1": (0,), "1-2": (0, 1), "1-3": (0, 1, 2), "all": (0, 1, 2, 3)}
FOR = "for-"


@dataclass(frozen=True)
class Variant:
    """A codec and a way to use it, as its text says; see the module.

    Attributes:
        text: what was asked for.
        name: of the codec.
        levels: codes of the levels that are transmitted; empty for an image without objects.
        preset: how SDC treats its levels; of other codecs the margin alone.
        fill: one of ``FILLS``, or, but for SDC, of ``SOFTENED``.
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
        """Whether some of the image may be left out."""
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
        raise ValueError(f"{text!r}: {name} has no groups; the whole image is just {name!r}")
    for option in match[3].split(",") if match[3] else ():
        shaped = with_option(preset, option) if levels or option.startswith(("model", "effort")) else None
        if option in FILLS or (name != "sdc" and levels and option in SOFTENED):
            fill = option
        elif name == "sdc" and option == "metadata":
            metadata = True
        elif shaped is not None and (name == "sdc" or option.startswith("margin")):
            preset = shaped
        else:
            where = "" if levels else " on whole images"
            raise ValueError(f"{text!r}: {option!r} is no option of {name}{where}")
    return Variant(text, name, levels, preset, fill, metadata)
