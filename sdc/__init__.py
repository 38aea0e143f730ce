"""SDC: a picture format in which the important things come first and can be decoded alone.

>>> import sdc
>>> objects = sdc.load_objects("objects.json", width, height)
>>> data = sdc.encode(pixels, objects=objects, quality={"L1": 44, "other": 16})
>>> pixels = sdc.decode(data, levels=["L1"]).pixels
>>> report = sdc.info(data)
"""

from .codec import Decoded, decode, encode
from .container import LEVELS, Limits, Stream, build, parse
from .edit import Validation, extract, validate
from .errors import SdcError
from .info import info
from .objects import Object, load_objects

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
    "validate",
]
