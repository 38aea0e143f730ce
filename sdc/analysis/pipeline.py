"""The pipeline: words, then boxes, then masks, then levels with reasons.

A provider that cannot be made, for want of a package or a file, is an error.
One that fails at work is not: the built-in one of its step does the work, and a warning says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import SdcError
from ..objects.object import Object
from ..types import MAX_LABEL, MAX_OBJECTS, MAX_REASON
from .steps import PROVIDERS, Options, Ranked, Scene, provider

T = TypeVar("T")
LONGEST_WARNING = 300

MOST_WORDS = 100
"""Words that the record names, of those that were looked for."""


DEFAULT = Options()


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was found in a picture.

    Attributes:
        width, height: of the picture in pixels.
        objects: what is in it, with levels and reasons.
        about: how it was decided, as the stream keeps it: providers and models of the steps, what was looked
            for, captions, warnings.
    """

    width: int
    height: int
    objects: tuple[Object, ...]
    about: dict[str, Any]

    @property
    def warnings(self) -> list[str]:
        """What went wrong and was made good."""
        return list(self.about.get("warnings", []))

    def as_dict(self) -> dict[str, Any]:
        """The JSON of ``spec/objects.md``."""
        return {**Object.dump(self.objects, self.width, self.height), "analysis": self.about}


def chosen_providers(options: Options) -> dict[str, str]:
    """Names of the providers: those asked for, or what goes with the other options; empty for no tags."""
    words = options.vocabulary and "file"
    named = bool(options.find or words or options.tags)
    unnamed = "saliency" if options.saliency else "salient"
    grounding = "onnx" if options.detector else "dino" if named else unnamed
    return {
        "tags": "" if options.find else options.tags or words,
        "grounding": options.grounding or grounding,
        "masks": options.masks or "salient",
        "ranking": options.ranking or ("chat" if options.url else "default"),
    }


TAKEN_BY = {
    "detector": ("grounding", ("onnx",)),
    "saliency": ("grounding", ("saliency",)),
    "grounding_model": ("grounding", ("dino",)),
    "masks_model": ("masks", ("sam", "sam2")),
    "vocabulary": ("tags", ("file",)),
}
"""Options that name a file or a network: the step, and which of our providers of it look at them."""


UNNAMED = ("salient", "saliency")
"""Groundings that look for no words, and whose regions need no masks of another step."""


def _check(options: Options, names: Mapping[str, str]) -> None:
    """Refuse options that the chosen providers would not look at.

    What a provider of another package looks at is its own matter.

    Raises:
        SdcError: ``E_USAGE``.
    """

    def refuse(name: str, why: str) -> SdcError:
        return SdcError("E_USAGE", f"has no effect: {why}", "--" + name.replace("_", "-"))

    own = {step: not name or name in PROVIDERS[step] for step, name in names.items()}
    if options.find:
        for name in ("tags", "vocabulary"):
            if getattr(options, name):
                raise refuse(name, "--find says what to look for")
    for name, (step, takers) in TAKEN_BY.items():
        if getattr(options, name) and own[step] and names[step] not in takers:
            raise refuse(name, f"{step} is by {names[step] or 'nothing'}, not by {' or '.join(takers)}")
    if names["grounding"] in UNNAMED:
        for name in ("find", "vocabulary", "tags"):
            if getattr(options, name):
                raise refuse(name, f"{names['grounding']} looks for no words")
        if options.masks not in ("", "salient"):
            raise refuse("masks", f"the regions of {names['grounding']} are masks")


# A folder of pictures is analysed with one set of networks in each process.
provider_of = lru_cache(maxsize=8)(provider)


def _reason(error: BaseException) -> str:
    """An exception in one line."""
    text = f"{error.message}" if isinstance(error, SdcError) else f"{type(error).__name__}: {error}"
    return _cut(text, LONGEST_WARNING)


def analyze(pixels: npt.NDArray[np.uint8], options: Options = DEFAULT) -> Analysis:
    """Find and rank the objects of a picture.

    Args:
        pixels: ``uint8 [H, W, 3]`` RGB.
        options: what is asked for; by default the regions that stand out.

    Raises:
        SdcError: ``E_USAGE`` for a provider that does not exist or lacks a package, and for an option without
            effect; ``E_INPUT`` for a file that is not there or not what it should be.
    """
    names = chosen_providers(options)
    _check(options, names)
    steps = {step: provider_of(step, name, options) for step, name in names.items() if name}
    scene = Scene(pixels)
    height, width = pixels.shape[:2]
    warnings: list[str] = []

    def attempt(step: str, work: Callable[[], T], otherwise: Callable[[], T]) -> T:
        try:
            return work()
        except Exception as error:  # whatever a network, a server or somebody's provider may do
            warnings.append(f"{step} by {names[step]} failed: {_reason(error)}")
            return otherwise()

    words: Sequence[str] = options.find
    if "tags" in steps:
        words = attempt("tags", lambda: steps["tags"].suggest(scene), lambda: ())
    found = attempt(
        "grounding", lambda: _checked(steps["grounding"].locate(scene, words), width, height), lambda: []
    )
    used = dict(names)
    if not found and names["grounding"] != "salient":
        warnings.append(f"{names['grounding']} found no object, so these are the regions that stand out")
        used["grounding"] = "salient"
        found = provider_of("grounding", "salient", options).locate(scene, ())
    if all(thing.mask is not None for thing in found) or used["grounding"] in UNNAMED:
        del used["masks"]
    else:
        found = attempt(
            "masks", lambda: _same(found, steps["masks"].refine(scene, found)), lambda: list(found)
        )
    ranked = Ranked([])
    if found:

        def by_default() -> Ranked:
            used["ranking"] = "default"
            return provider_of("ranking", "default", options).rank(scene, found)

        def by_choice() -> Ranked:
            result = steps["ranking"].rank(scene, found)
            return replace(result, objects=_same(found, result.objects))

        ranked = attempt("ranking", by_choice, by_default)
    warnings += [_cut(text, LONGEST_WARNING) for text in ranked.warnings]
    about: dict[str, Any] = {}
    for step, name in used.items():
        if name:
            own = steps[step] if name == names[step] else None
            about[step] = {"provider": name}
            for key in ("model", "prompts"):
                if getattr(own, key, ""):
                    about[step][key] = getattr(own, key)
    told = [_cut(word, MAX_LABEL) for word in words[:MOST_WORDS]]
    # The built-in ranking asks for nothing but the objects.
    by_words = bool(found) and used["ranking"] != "default"
    purpose = _cut(options.purpose, MAX_REASON) if by_words else ""
    for key, value in (("find", told), ("for", purpose), ("captions", ranked.captions)):
        if value:
            about[key] = value
    if warnings:
        about["warnings"] = warnings
    return Analysis(width, height, tuple(ranked.objects), about)


def _checked(objects: Sequence[Object], width: int, height: int) -> list[Object]:
    """What a grounding has found, if it can be objects of this picture."""
    for thing in objects:
        x, y, w, h = thing.box
        if x + w > width or y + h > height:
            raise ValueError(f"a box of {thing.label} leaves the picture: {thing.box}")
    return [replace(thing, label=_cut(thing.label, MAX_LABEL)) for thing in objects[:MAX_OBJECTS]]


def _same(before: Sequence[Object], after: Sequence[Object]) -> list[Object]:
    """What a step made of the objects, if it is still the same objects."""
    if [(o.label, o.score) for o in before] != [(o.label, o.score) for o in after]:
        raise ValueError("it gave other objects than it was given")
    return [replace(o, reason=_cut(o.reason, MAX_REASON)) for o in after]


def _cut(text: str, longest: int) -> str:
    """A text in one line, of so many bytes of UTF-8 at most."""
    return " ".join(text.split()).encode("utf-8", "replace")[:longest].decode("utf-8", "ignore")
