"""The interfaces of the analysis: what each step is given and what it gives.

A provider of a step is a class, or anything that is called with the :class:`Options` and returns an object
with the step's methods; :mod:`.registry` finds one by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from ..errors import SdcError
from ..objects.object import Object
from ..types import Pixels

if TYPE_CHECKING:
    from .saliency_map import SaliencyMap


@dataclass(frozen=True)
class Options:
    """What a user asks of the analysis; empty is not given.

    Attributes:
        grounding, masks, tags, ranking, gaps: names of providers; ``none`` for no gaps.
        find: what to look for.
        purpose: the task that the ranks are to serve.
        detector: ONNX file of a detector or segmenter.
        saliency: ONNX file of a network of salient objects.
        vocabulary: text file with a word per line.
        grounding_model, masks_model: folder or name of a network of transformers.
        url: base of a chat endpoint, such as ``http://localhost:8000/v1``.
        model: name of the model there, or folder or name of one of transformers.
        key: key of the endpoint; never shown or written.
        proxy: address of a proxy to the endpoint; those of the environment are not used.
        text_only: whether the model has no eyes.
        timeout: seconds for one request.
        device: where networks of transformers run.
    """

    grounding: str = ""
    masks: str = ""
    tags: str = ""
    ranking: str = ""
    gaps: str = ""
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
    proxy: str = ""
    text_only: bool = False
    timeout: float = 60.0
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class Scene:
    """The image that is analyzed, ``uint8 [H, W, 3]`` RGB."""

    pixels: Pixels

    @cached_property
    def saliency(self) -> SaliencyMap:
        """What stands out in it; worked out once, when a step asks."""
        from .saliency_map import saliency

        return saliency(self.pixels)


@dataclass(frozen=True)
class Ranked:
    """What a ranking gives.

    Attributes:
        objects: those it was given, in their order, each with a level and a reason.
        captions: ``short`` and ``detailed``, where the ranking has described the image.
        warnings: what went wrong and was made good, a line each.
    """

    objects: list[Object]
    captions: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Unusable(Exception):
    """Raised by a provider at work where it cannot do it for any image, so that nothing else should stand in.

    Attributes:
        error: what the user is told.
    """

    def __init__(self, error: SdcError):
        super().__init__(str(error))
        self.error = error


class Provider(Protocol):
    """What all providers have.

    One may have ``notes`` too: what it assumed or left out for the last image, a line each.

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


class Gaps(Provider, Protocol):
    """Finds what a grounding has missed."""

    def missed(self, scene: Scene, objects: Sequence[Object]) -> list[Object]:
        """Things that are none of the objects, each with a level and a reason."""


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
