"""The pipeline: words, then boxes, then masks, then levels with reasons, then what was missed.

A provider that cannot be made, for want of a package or a file, is an error.
One that fails at work is not: the built-in one of its step does the work, and a warning says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from ..codec.encoder import checked_image
from ..codec.presets import OF_REGIONS
from ..errors import SdcError
from ..notes import Notes, Passing
from ..objects.object import Object
from ..types import MAX_LABEL, MAX_OBJECTS, MAX_REASON, ImageLike, Pixels
from .choice import DEFAULT as DEFAULT_GROUNDING
from .choice import check_options, chosen_providers
from .interfaces import Options, Ranked, Scene, Unusable
from .registry import provider
from .result import Analysis, settled

T = TypeVar("T")
LONGEST_WARNING = 300

MOST_WORDS = 100
"""Words that the provenance names, of those that were looked for."""


DEFAULT = Options()

# A folder of images is analyzed with one set of networks in each process.
provider_of = lru_cache(maxsize=8)(provider)


def analyze(pixels: ImageLike, options: Options = DEFAULT, *, strict: bool = False) -> Analysis:
    """Find and rank the objects of an image.

    Args:
        pixels: ``uint8 [H, W, 3]`` RGB, an array or an image of Pillow in mode RGB.
        options: what is asked for; by default the regions that stand out.
        strict: whether what would be a note, of a provider that failed for instance, is an error.

    Raises:
        SdcError: ``E_PICTURE`` for what is no such image; ``E_USAGE`` for a provider that does not exist or
            lacks a package, and for an option without effect; ``E_INPUT`` for a file that is not there or not
            what it should be; ``E_OBJECTS`` for a note, where ``strict``.
    """
    return _Run(checked_image(pixels), options, Notes("E_OBJECTS", strict=strict)).analysis()


class _Run:
    """One run of the steps.

    Attributes:
        names: of the provider that each step asks for.
        used: of the one that did the work of each step that was taken.
        notes: what went wrong and was made good.
    """

    def __init__(self, pixels: Pixels, options: Options, notes: Notes):
        self.options, self.notes = options, notes
        self.names = chosen_providers(options)
        check_options(options, self.names)
        self.steps = {step: provider_of(step, name, options) for step, name in self.names.items() if name}
        self.used = {step: name for step, name in self.names.items() if name}
        self.scene = Scene(pixels)
        self.height, self.width = pixels.shape[:2]

    def analysis(self) -> Analysis:
        """Take the steps, each with what the one before has found."""
        words = self._words()
        ranked = self._completed(self._ranked(self._masked(self._found(words))))
        self.notes.take(type(text)(_cut(text, LONGEST_WARNING)) for text in ranked.warnings)
        provenance = self._provenance(words, ranked)
        return Analysis(self.width, self.height, settled(ranked.objects), provenance)

    def _attempt(self, step: str, work: Callable[[], T], otherwise: Callable[[], T]) -> T:
        """The work of a step's provider, or what stands in for it when it fails."""
        try:
            done = work()
        except Unusable as error:
            raise error.error from None
        except Exception as error:  # whatever a network, a server or somebody's provider may do
            self.notes.add(Passing(f"{step} by {self.names[step]} failed: {_reason(error)}"))
            return otherwise()
        self.notes.take(getattr(self.steps[step], "notes", ()))
        return done

    def _words(self) -> Sequence[str]:
        """What to look for."""
        if "tags" not in self.steps:
            return self.options.find
        return self._attempt("tags", lambda: self.steps["tags"].suggest(self.scene), lambda: ())

    def _found(self, words: Sequence[str]) -> list[Object]:
        """What the grounding finds, or else the regions that stand out."""
        found: list[Object] = self._attempt(
            "grounding",
            lambda: _checked(self.steps["grounding"].locate(self.scene, words), self.width, self.height),
            lambda: [],
        )
        name = self.names["grounding"]
        if found or name == DEFAULT_GROUNDING:
            return found
        self.notes.add(f"{name} found no object, so these are by the default")
        self.used["grounding"] = DEFAULT_GROUNDING
        return list(provider_of("grounding", DEFAULT_GROUNDING, self.options).locate(self.scene, ()))

    def _masked(self, found: list[Object]) -> list[Object]:
        """The same objects, those that were boxes with masks where that is possible."""
        if all(thing.mask is not None for thing in found) or self.used["grounding"] in OF_REGIONS:
            del self.used["masks"]
            return found
        return self._attempt(
            "masks", lambda: _same(found, self.steps["masks"].refine(self.scene, found)), lambda: found
        )

    def _ranked(self, found: list[Object]) -> Ranked:
        """The same objects with levels and reasons."""
        if not found:
            return Ranked([])

        def by_default() -> Ranked:
            self.used["ranking"] = "default"
            ranked: Ranked = provider_of("ranking", "default", self.options).rank(self.scene, found)
            return ranked

        def by_choice() -> Ranked:
            ranked: Ranked = self.steps["ranking"].rank(self.scene, found)
            return replace(ranked, objects=_same(found, ranked.objects))

        return self._attempt("ranking", by_choice, by_default)

    def _completed(self, ranked: Ranked) -> Ranked:
        """With things that the grounding has missed, if that is asked for."""
        if "gaps" not in self.steps:
            return ranked
        if self.used["grounding"] in OF_REGIONS:
            del self.used["gaps"]
            return ranked

        def with_missed() -> Ranked:
            missed = self.steps["gaps"].missed(self.scene, ranked.objects)
            missed = _checked(missed, self.width, self.height)[: MAX_OBJECTS - len(ranked.objects)]
            return replace(ranked, objects=[*ranked.objects, *missed])

        return self._attempt("gaps", with_missed, lambda: ranked)

    def _provenance(self, words: Sequence[str], ranked: Ranked) -> dict[str, Any]:
        """How the objects were found, as the stream keeps it."""
        told: dict[str, Any] = {}
        for step, name in self.used.items():
            own = self.steps[step] if name == self.names[step] else None
            told[step] = {"provider": name}
            for key in ("model", "prompts"):
                if getattr(own, key, ""):
                    told[step][key] = getattr(own, key)
        # The built-in ranking asks for nothing but the objects.
        by_words = bool(ranked.objects) and self.used["ranking"] != "default"
        told |= {
            key: value
            for key, value in (
                ("find", [_cut(word, MAX_LABEL) for word in words[:MOST_WORDS]]),
                ("for", _cut(self.options.purpose, MAX_REASON) if by_words else ""),
                ("captions", ranked.captions),
                ("warnings", list(self.notes)),
            )
            if value
        }
        return told


def _checked(objects: Sequence[Object], width: int, height: int) -> list[Object]:
    """What a grounding has found, if it can be objects of this image."""
    for thing in objects:
        x, y, w, h = thing.box
        if x + w > width or y + h > height:
            raise ValueError(f"a box of {thing.label} leaves the image: {thing.box}")
    return [replace(thing, label=_cut(thing.label, MAX_LABEL)) for thing in objects[:MAX_OBJECTS]]


def _same(before: Sequence[Object], after: Sequence[Object]) -> list[Object]:
    """What a step made of the objects, if it is still the same objects."""
    if [(o.label, o.score) for o in before] != [(o.label, o.score) for o in after]:
        raise ValueError("it gave other objects than it was given")
    return [replace(o, reason=_cut(o.reason, MAX_REASON)) for o in after]


def _reason(error: BaseException) -> str:
    """An exception in one line."""
    own = type(error).__module__.startswith(f"{__package__}.")
    text = f"{error}" if own else f"{type(error).__name__}: {error}"
    text = error.message if isinstance(error, SdcError) else text
    return _cut(text, LONGEST_WARNING)


def _cut(text: str, longest: int) -> str:
    """A text in one line, of so many bytes of UTF-8 at most."""
    return " ".join(text.split()).encode("utf-8", "replace")[:longest].decode("utf-8", "ignore")
