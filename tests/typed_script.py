"""What a user writes, with the calls that the README shows: make check says whether types are complete."""

from __future__ import annotations

import numpy as np
from PIL import Image

import sdc
import sdc.plugins.pillow


def reads_and_writes() -> None:
    """Encode, decode, and read in parts."""
    photo = Image.open("photo.jpg").convert("RGB")
    objects = sdc.Object.load("objects.json", *photo.size)
    data = sdc.imwrite("photo.sdc", photo, objects=objects, quality={"L1": 44, "other": 16})
    pixels = sdc.imread("photo.sdc", levels="L1")
    print(pixels.shape, data.notes, len(data), np.mean(pixels))
    with sdc.open("photo.sdc") as file:
        first = file.read(levels=["L1", "L2"])
        print(first.covered.any(), first.missing, file.transfer, file.colour, file.ranges(levels="L1"))
        print([(thing.label, thing.level, thing.mask, thing.box) for thing in file.objects])
    found = sdc.analyze(photo, sdc.Options(detector="yolo11n.onnx"))
    small = sdc.encode(photo, objects=found.objects, provenance=found.provenance)
    print(sdc.decode(small).pixels, sdc.info(small)["width"], sdc.validate(small).state)


def answers() -> None:
    """Many streams, and one at a URL."""
    for path, thing in sdc.find("photos", "dog", levels="L1"):
        print(path, thing.score)
    print(sum(one.levels.get(sdc.Level.L1, 0) for one in sdc.stat("photos")), sdc.to_coco("photos")["images"])
    print(sdc.redact("photo.sdc", ["face"]).notes)
    try:
        with sdc.open_url("https://example.org/a.sdc", timeout=3) as remote, sdc.open(remote) as other:
            print(other.size, remote.transfer.requests)
    except sdc.SdcError as error:
        print(error.code, error.exit_status)


def pillow() -> None:
    """The plug-in."""
    image = Image.open("photo.sdc")
    if isinstance(image, sdc.plugins.pillow.SdcImageFile):
        image.levels = "L1"
        print(image.levels, image.sdc and image.sdc.objects)
