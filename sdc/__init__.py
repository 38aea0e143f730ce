"""SDC: an image format in which the important things come first and can be decoded alone.

>>> import sdc
>>> from PIL import Image
>>> photo = Image.open("photo.png").convert("RGB")
>>> objects = sdc.Object.load("objects.json", *photo.size)
>>> data = sdc.imwrite("photo.sdc", photo, objects=objects, quality={"L1": 44, "other": 16})
>>> pixels = sdc.imread("photo.sdc", levels="L1")
>>> with sdc.open("photo.sdc") as file:
...     first, things = file.read(levels="L1"), file.objects
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from ._version import __version__ as __version__

if _TYPE_CHECKING:
    from .analysis import Analysis, Options, analyze
    from .answers.coco import to_coco
    from .answers.find import Match, find
    from .answers.stat import Stat, stat
    from .codec.decoder import Decoded, decode
    from .codec.encoder import encode
    from .codec.presets import Preset
    from .errors import (
        InputError,
        InvalidError,
        IoError,
        PartialError,
        SdcError,
        UnsupportedError,
        UsageError,
    )
    from .file import SdcFile, imread, imwrite, open
    from .format.colr import CodePoints
    from .format.edit import extract
    from .format.redact import redact
    from .format.report import info
    from .format.rest import Degradation, Restoration
    from .format.validate import Validation, validate
    from .images.read import SourceImage, read_image
    from .objects.object import Object
    from .remote.file import Access, Transfer
    from .remote.url import open_url
    from .types import Encoded, Level, Limits

__all__ = [
    "Access",
    "Analysis",
    "CodePoints",
    "Decoded",
    "Degradation",
    "Encoded",
    "InputError",
    "InvalidError",
    "IoError",
    "Level",
    "Limits",
    "Match",
    "Object",
    "Options",
    "PartialError",
    "Preset",
    "Restoration",
    "SdcError",
    "SdcFile",
    "SourceImage",
    "Stat",
    "Transfer",
    "UnsupportedError",
    "UsageError",
    "Validation",
    "analyze",
    "decode",
    "encode",
    "extract",
    "find",
    "imread",
    "imwrite",
    "info",
    "open",
    "open_url",
    "read_image",
    "redact",
    "stat",
    "to_coco",
    "validate",
]

_FROM = {
    "analysis": "Analysis Options analyze",
    "answers.coco": "to_coco",
    "answers.find": "Match find",
    "answers.stat": "Stat stat",
    "codec.decoder": "Decoded decode",
    "codec.encoder": "encode",
    "codec.presets": "Preset",
    "errors": "InputError InvalidError IoError PartialError SdcError UnsupportedError UsageError",
    "file": "SdcFile imread imwrite open",
    "format.colr": "CodePoints",
    "format.edit": "extract",
    "format.redact": "redact",
    "format.report": "info",
    "format.rest": "Degradation Restoration",
    "format.validate": "Validation validate",
    "images.read": "SourceImage read_image",
    "objects.object": "Object",
    "remote.file": "Access Transfer",
    "remote.url": "open_url",
    "types": "Encoded Level Limits",
}
"""Public names by the module that has them, which is imported when the first of them is needed."""

_MODULE = {_name: _module for _module, _names in _FROM.items() for _name in _names.split()}


def __getattr__(name: str) -> _Any:
    """Import what a public name stands for when it is needed: ``import sdc`` takes no time."""
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_import_module(f".{_MODULE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*__all__, "__version__"])
