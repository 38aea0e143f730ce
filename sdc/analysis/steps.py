"""The steps of the analysis: what each is given and gives, and how a provider is found by its name.

A step is a small interface.
A provider of it is a class, or anything that is called with the :class:`Options` and returns such an object.
Another package adds one by an entry point, in the group ``sdc.grounding``, ``sdc.masks``, ``sdc.tags`` or
``sdc.ranking``, and it is then chosen by the entry point's name; ours are in :data:`PROVIDERS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import SdcError
from ..objects.object import Object

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    from .salient import SaliencyMap


PROVIDERS: dict[str, dict[str, str]] = {
    "grounding": {
        "salient": ".salient:SalientRegions",
        "onnx": ".providers.detector:Detector",
        "saliency": ".providers.saliency:SaliencyNetwork",
        "dino": ".providers.networks:GroundingDino",
    },
    "masks": {
        "salient": ".salient:SalientRegions",
        "sam": ".providers.networks:Sam",
        "sam2": ".providers.networks:Sam2",
    },
    "tags": {
        "file": ".providers.vocabulary:Vocabulary",
        "chat": ".providers.chat:ChatTags",
        "internvl": ".providers.networks:InternTags",
    },
    "ranking": {
        "default": ".ranking:DefaultRanking",
        "chat": ".providers.chat:ChatRanking",
        "internvl": ".providers.networks:InternRanking",
    },
}
"""Providers of this package by step and name: module and class."""


@dataclass(frozen=True)
class Options:
    """What a user asks of the analysis; empty is not given.

    Attributes:
        grounding, masks, tags, ranking: names of providers.
        find: what to look for.
        purpose: the task that the ranks are to serve.
        detector: ONNX file of a detector or segmenter.
        saliency: ONNX file of a network of salient objects.
        vocabulary: text file with a word per line.
        grounding_model, masks_model: folder or name of a network of transformers.
        url: base of a chat endpoint, such as ``http://localhost:8000/v1``.
        model: name of the model there, or folder or name of one of transformers.
        key: key of the endpoint; never shown or written.
        text_only: whether the model has no eyes.
        timeout: seconds for one request.
        device: where networks of transformers run.
    """

    grounding: str = ""
    masks: str = ""
    tags: str = ""
    ranking: str = ""
    find: tuple[str, ...] = ()
    purpose: str = ""
    detector: str = ""
    saliency: str = ""
    vocabulary: str = ""
    grounding_model: str = ""
    masks_model: str = ""
    url: str = ""
    model: str = ""
    key: str = field(default="", repr=False)
    text_only: bool = False
    timeout: float = 60.0
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class Scene:
    """The picture that is analysed, ``uint8 [H, W, 3]`` RGB."""

    pixels: npt.NDArray[np.uint8]

    @cached_property
    def saliency(self) -> SaliencyMap:
        """What stands out in it; worked out once, when a step asks."""
        from .salient import saliency

        return saliency(self.pixels)


@dataclass(frozen=True)
class Ranked:
    """What a ranking gives.

    Attributes:
        objects: those it was given, in their order, each with a level and a reason.
        captions: ``short`` and ``detailed``, where the ranking has described the picture.
        warnings: what went wrong and was made good, a line each.
    """

    objects: list[Object]
    captions: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Provider(Protocol):
    """What all providers have.

    Attributes:
        model: what decided, for the record, such as a file's name and the start of its hash; may be empty.
    """

    model: str


class Grounding(Provider, Protocol):
    """Finds objects."""

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        """Objects with label, box and score, perhaps with masks; of the words, if there are any."""


class Masks(Provider, Protocol):
    """Finds the pixels of objects that are known by their boxes."""

    def refine(self, scene: Scene, objects: Sequence[Object]) -> list[Object]:
        """The same objects in the same order, with masks where that is possible."""


class Tags(Provider, Protocol):
    """Says what to look for."""

    def suggest(self, scene: Scene) -> list[str]:
        """Words for an open vocabulary."""


class Ranking(Provider, Protocol):
    """Says what is important.

    A provider that asks a model by prompts may have an attribute ``prompts``, the SHA-256 of their text.
    """

    def rank(self, scene: Scene, objects: Sequence[Object]) -> Ranked:
        """Levels and reasons."""


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


def need(module: str, extra: str) -> ModuleType:
    """A package that the light install does not bring.

    Raises:
        SdcError: ``E_USAGE`` with the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError:
        message = f'{module} is not installed; pip install "sdc-codec[{extra}]" brings it'
        raise SdcError("E_USAGE", message) from None
    except Exception as error:  # a package that does not go with another
        message = f"{module} cannot be imported: {' '.join(str(error).split())[:200]}"
        raise SdcError("E_USAGE", message) from None
