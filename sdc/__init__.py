"""SDC: a picture format in which the important things come first and can be decoded alone.

>>> import sdc
>>> picture = sdc.read_picture(Path("photo.jpg").read_bytes())
>>> height, width = picture.pixels.shape[:2]
>>> objects = sdc.load_objects("objects.json", width, height)
>>> data = sdc.encode(picture.pixels, icc=picture.icc, objects=objects, quality={"L1": 44, "other": 16})
>>> pixels = sdc.decode(data, levels=["L1"]).pixels
>>> report = sdc.info(data)
"""

from typing import TYPE_CHECKING, Any

from .codec.decoder import Decoded, decode
from .codec.encoder import encode
from .errors import SdcError
from .format.build import build
from .format.edit import extract
from .format.parse import parse, preamble_size
from .format.report import info
from .format.stream import Stream
from .format.validate import Validation, validate
from .objects.document import load_objects
from .objects.object import Object
from .types import LEVELS, Limits

if TYPE_CHECKING:
    from .images.read import read_picture

__version__ = "1.0.0.dev0"

__all__ = [
    "LEVELS",
    "Decoded",
    "Limits",
    "Object",
    "SdcError",
    "Stream",
    "Validation",
    "build",
    "decode",
    "encode",
    "extract",
    "info",
    "load_objects",
    "parse",
    "preamble_size",
    "read_picture",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Import Pillow when it is needed."""
    if name == "read_picture":
        from .images.read import read_picture

        return read_picture
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
