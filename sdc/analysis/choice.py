"""Which providers the options ask for, and options that none of them would look at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..codec.presets import OF_REGIONS
from ..errors import SdcError
from .interfaces import Options
from .optional import check_installed
from .registry import PROVIDERS

DEFAULT = "finder"
"""The grounding where none is asked for, and where another finds nothing."""


def chosen_providers(options: Options) -> dict[str, str]:
    """Names of the providers: those asked for, or what goes with the others; empty for no tags or gaps."""
    words = options.vocabulary and "file"
    named = bool(options.find or words or options.tags)
    unnamed = "saliency" if options.saliency else DEFAULT
    grounding = options.grounding or ("onnx" if options.detector else "dino" if named else unnamed)
    everything = grounding == "onnx" and not options.find  # else what was missed was not looked for
    return {
        "tags": "" if options.find else options.tags or words,
        "grounding": grounding,
        "masks": options.masks or "salient",
        "ranking": options.ranking or ("chat" if options.url else "default"),
        "gaps": "" if options.gaps == "none" else options.gaps or (DEFAULT if everything else ""),
    }


TAKEN_BY = {
    "detector": ("grounding", ("onnx",)),
    "saliency": ("grounding", ("saliency",)),
    "grounding_model": ("grounding", ("dino",)),
    "masks_model": ("masks", ("sam", "sam2")),
    "vocabulary": ("tags", ("file",)),
}
"""Options that name a file or a network: the step, and which of our providers of it look at them."""


def check_options(options: Options, names: Mapping[str, str]) -> None:
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
    if names["grounding"] in OF_REGIONS:
        for name in ("find", "vocabulary", "tags"):
            if getattr(options, name):
                raise refuse(name, f"{names['grounding']} looks for no words")
        if options.masks not in ("", "salient"):
            raise refuse("masks", f"{names['grounding']} gives masks")
        if names["gaps"]:
            raise refuse("gaps", f"{names['grounding']} is no detector, which may miss things")


_TRANSFORMERS = ("torch", "transformers")
NEEDED_BY = {
    **dict.fromkeys(("onnx", "saliency"), (("onnxruntime",), "onnx")),
    **dict.fromkeys(("dino", "sam", "sam2"), (_TRANSFORMERS, "grounding")),
    "internvl": (_TRANSFORMERS, "lmm"),
}
"""Packages that providers of ours need, and the extra that brings them."""


def check_available(options: Options) -> None:
    """Refuse options by which no image could be analyzed, before a batch of images begins.

    Raises:
        SdcError: ``E_USAGE`` for options that have no effect and for packages that are missing, ``E_INPUT``
            for files that are.
    """
    names = chosen_providers(options)
    check_options(options, names)
    for step, name in names.items():
        modules, extra = NEEDED_BY.get(name, ((), "")) if name in PROVIDERS[step] else ((), "")
        for module in modules:
            check_installed(module, extra)
    for option in ("detector", "saliency", "vocabulary"):
        path = getattr(options, option)
        if path and not Path(path).is_file():
            raise SdcError("E_INPUT", f"there is no such file for --{option}", path)
