"""Providers by step and name: those of this package, and those of others.

Another package adds one by an entry point, in the group ``sdc.grounding``, ``sdc.masks``, ``sdc.tags``,
``sdc.ranking`` or ``sdc.gaps``, and it is then chosen by the entry point's name; ours are in
:data:`PROVIDERS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import SdcError
from .interfaces import Options

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

PROVIDERS: dict[str, dict[str, str]] = {
    "grounding": {
        "finder": ".providers.finder:Finder",
        "salient": ".providers.salient:SalientRegions",
        "onnx": ".providers.detector:Detector",
        "saliency": ".providers.saliency:SaliencyNetwork",
        "dino": ".providers.dino:GroundingDino",
    },
    "masks": {
        "salient": ".providers.salient:SalientRegions",
        "sam": ".providers.sam:Sam",
        "sam2": ".providers.sam:Sam2",
    },
    "tags": {
        "file": ".providers.vocabulary:Vocabulary",
        "chat": ".providers.chat:ChatTags",
        "internvl": ".providers.internvl:InternTags",
    },
    "ranking": {
        "default": ".providers.ranking:DefaultRanking",
        "chat": ".providers.chat:ChatRanking",
        "internvl": ".providers.internvl:InternRanking",
    },
    "gaps": {"finder": ".providers.finder:Finder"},
}
"""Providers of this package by step and name: module and class."""


def entry_points(group: str) -> EntryPoints:
    """Providers of other packages."""
    from importlib import metadata  # slow to import, and every command line imports this module

    return metadata.entry_points(group=group)


def provider(step: str, name: str, options: Options) -> Any:
    """The provider of a step by its name.

    Raises:
        SdcError: ``E_USAGE`` when there is none of this name or a package is missing, ``E_INPUT`` when a file
            is, and whatever else the provider raises when it is made.
    """
    path = PROVIDERS[step].get(name)
    if path is not None:
        module, _, attribute = path.partition(":")
        return getattr(import_module(module, __package__), attribute)(options)
    others = {entry.name: entry for entry in entry_points(group=f"sdc.{step}")}
    if name not in others:
        names = ", ".join(sorted({*PROVIDERS[step], *others}))
        raise SdcError("E_USAGE", f"there is no {name}; there are {names}", step)
    try:
        return others[name].load()(options)
    except SdcError:
        raise
    except Exception as error:  # another package's
        message = f"{name} cannot be had: {' '.join(str(error).split())[:200]}"
        raise SdcError("E_USAGE", message, step) from None
