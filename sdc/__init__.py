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

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from ._version import __version__ as __version__
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
from .objects.object import Object
from .remote.file import Access, Transfer
from .remote.url import open_url
from .types import Encoded, Level, Limits

if _TYPE_CHECKING:
    from .analysis import Analysis, Options, analyze

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
    "redact",
    "stat",
    "to_coco",
    "validate",
]


def __getattr__(name: str) -> _Any:
    """Import the analysis when it is needed."""
    if name in ("Analysis", "Options", "analyze"):
        from . import analysis

        return getattr(analysis, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*__all__, "__version__"])
