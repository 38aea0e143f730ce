"""The plug-in for Pillow, tried as Pillow's own tests try its plug-ins."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from noted_file import Noted
from PIL import ExifTags, Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

import sdc
import sdc.plugins.pillow as plugin
from sdc.colour.profiles import profile_of
from sdc.format.colr import CodePoints
from sdc.images.write import rgba
from sdc.testing.streams import random_stream

SIZE = (70, 50)
BOX = (4, 4, 30, 20)
EXIF = Image.Exif()
EXIF[ExifTags.Base.ImageDescription] = "a gradient"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'


def gradient(mode: str = "RGB") -> Image.Image:
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    return Image.fromarray(np.stack([x * 3, y * 5, 255 - x], 2).astype(np.uint8)).convert(mode)


def saved(image: Image.Image | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    (gradient() if image is None else image).save(out, "SDC", **{"effort": 0, **options})
    return out.getvalue()


def opened(data: bytes | Path) -> plugin.SdcImageFile:
    image = Image.open(io.BytesIO(data) if isinstance(data, bytes) else data)
    assert isinstance(image, plugin.SdcImageFile)
    return image


@pytest.fixture(scope="module")
def stream() -> bytes:
    """L1 and other, with an object, EXIF and XMP behind the groups."""
    cat = sdc.Object("cat", BOX, sdc.Level.L1, mask=np.eye(20, 30, dtype=bool) | True)
    return saved(objects=[cat], exif=EXIF, xmp=XMP, quality=40, pixel_masks=True)


@pytest.fixture
def path(stream: bytes, tmp_path: Path) -> Path:
    (tmp_path / "x.sdc").write_bytes(stream)
    return tmp_path / "x.sdc"


# --- opening ----------------------------------------------------------------------------------------


def test_pixels_are_those_of_the_decoder(stream: bytes, path: Path) -> None:
    want = sdc.decode(stream).pixels
    with opened(stream) as image:
        assert (image.format, image.mode, image.size) == ("SDC", "RGB", SIZE)
        assert image.get_format_mimetype() == "image/vnd.sdc"
        assert np.array_equal(np.asarray(image), want)
    assert np.array_equal(np.asarray(Image.open(str(path))), want)
    assert Image.registered_extensions()[".sdc"] == "SDC"


def test_opening_reads_no_group(stream: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdc.file.BLOCK", 0)
    file = Noted(stream)
    image = Image.open(file, formats=["SDC"])  # others may be loaded, and look at more bytes
    assert isinstance(image, plugin.SdcImageFile)
    ((start, size),) = sdc.open(stream).ranges()
    # Pillow itself reads 16 bytes.
    assert file.seen and not file.seen & set(range(start, start + size))
    assert image.info["levels"] == ("L1", "other")
    assert [g["level"] for g in image.info["groups"]] == ["L1", "other"]
    (cat,) = image.info["objects"]
    assert (cat["label"], tuple(cat["box"]), cat["level"], cat["group"]) == ("cat", BOX, "L1", 0)
    assert image.info["xmp"] == XMP and image.getexif() == EXIF
    assert "icc_profile" not in image.info
    assert image.sdc is not None and image.sdc.objects[0].mask is not None
    file.taken()
    image.levels = "L1"
    image.load()
    ((first, length),) = sdc.open(stream).ranges(levels="L1")
    assert file.reads == [(first, length)]


def test_levels_are_chosen_before_the_pixels_are_loaded(stream: bytes) -> None:
    image = opened(stream)
    assert image.levels is None and image.mode == "RGB"
    image.levels = "L1"
    assert image.levels == (sdc.Level.L1,) and image.mode == "RGBA"
    first = sdc.decode(stream, levels="L1")
    assert np.array_equal(np.asarray(image), rgba(first.pixels, first.covered))
    with pytest.raises(ValueError, match="before the pixels are loaded"):
        image.levels = None
    image = opened(stream)
    with pytest.raises(ValueError, match="a level is one of"):
        image.levels = "L9"
    image.levels = ["L1", "other"]
    assert image.mode == "RGB"
    image.levels = None
    assert np.array_equal(np.asarray(image), sdc.decode(stream).pixels)


def test_only_cells_of_the_levels_are_computed(stream: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[tuple[int, ...]] = []
    real = sdc.file.decode_choice  # type: ignore[attr-defined]

    def noted(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        decoded.append(found.groups)
        return found

    monkeypatch.setattr("sdc.file.decode_choice", noted)
    image = opened(stream)
    image.levels = 1
    assert not decoded
    image.load()
    image.load()
    assert decoded == [(0,)]


def test_a_level_that_is_not_there_is_told(stream: bytes) -> None:
    image = opened(stream)
    image.levels = "L3"
    with pytest.warns(UserWarning, match="no group of level L3"):
        image.load()
    assert image.getextrema()[3] == (0, 0)


def test_withdrawn_groups_are_transparent(stream: bytes) -> None:
    image = opened(bytes(sdc.extract(stream, levels="L1")))
    assert image.mode == "RGBA"
    decoded = sdc.decode(stream, levels="L1")
    assert np.array_equal(np.asarray(image), rgba(decoded.pixels, decoded.covered))
    assert "exif" not in image.info


@pytest.mark.parametrize("seed", range(12))
def test_the_mode_is_known_before_the_pixels(seed: int) -> None:
    data = random_stream(seed, amplitude=3, extras=False).data
    image = opened(data)
    before = image.mode
    image.load()
    assert image.mode == before == ("RGB" if sdc.decode(data).covered.all() else "RGBA")


def test_metadata_that_is_damaged_keeps_no_pixel_from_being_shown(stream: bytes) -> None:
    report = sdc.info(stream)
    at = next(c["offset"] for c in report["chunks"] if c["type"] == "OBJS")
    broken = bytearray(stream)
    broken[at + 4] ^= 255
    with pytest.warns(UserWarning, match="E_CHUNK_DAMAGED"):
        image = opened(bytes(broken))
        image.load()
    assert image.info["objects"] == [] and np.array_equal(np.asarray(image), sdc.decode(stream).pixels)
    wrong = random_stream(3, extras=True).data  # whose ICCP is no profile, and whose EXIF is noise
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert opened(wrong).load() is not None


def test_colours_come_as_a_profile() -> None:
    p3 = profile_of(CodePoints(12, 13))
    image = opened(saved(icc_profile=p3))
    assert image.info["icc_profile"] == p3
    assert "P3" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(p3 or b"")))
    assert opened(saved(image)).info["icc_profile"] == p3  # kept, as by Pillow's AVIF
    assert "icc_profile" not in opened(saved(image, icc_profile=None)).info


# --- what is broken ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 3, 4, 5, 20])
def test_a_stream_cut_off_in_its_header_is_no_image(stream: bytes, size: int) -> None:
    with pytest.raises(UnidentifiedImageError, match="E_TRUNCATED" if size > 3 else "cannot identify"):
        Image.open(io.BytesIO(stream[:size]))


def test_an_invalid_stream_is_refused_in_words_and_its_file_closed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[8] ^= 1
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # ResourceWarning
        with pytest.raises(UnidentifiedImageError, match="E_HEAD_CRC"):
            Image.open(path)


def test_truncated_files_as_pillow_has_it(stream: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = stream[: sdc.open(stream).prefix_size(levels="L1")]
    image = opened(cut)
    assert image.mode == "RGBA"
    for _ in range(2):
        with pytest.raises(OSError, match=r"image file is truncated: E_GROUP_TRUNCATED.*group 1, other"):
            image.load()
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.warns(UserWarning) as told:
        image.load()
    assert ["E_GROUP_TRUNCATED" in str(w.message) for w in told] == [True]
    first = sdc.decode(stream, levels="L1")
    assert np.array_equal(np.asarray(image), rgba(first.pixels, first.covered))
    monkeypatch.undo()
    image = opened(cut)
    image.levels = "L1"  # which is whole
    with pytest.warns(UserWarning, match="what stands behind the groups is missing"):
        image.load()
    assert np.array_equal(np.asarray(image), rgba(first.pixels, first.covered))


def test_a_damaged_group(stream: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = bytearray(stream)
    broken[sdc.open(stream).prefix_size(levels="L1") - 1] ^= 1
    image = opened(bytes(broken))
    with pytest.raises(OSError, match="E_GROUP_DAMAGED"):
        image.load()
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.warns(UserWarning, match="E_GROUP_DAMAGED"):
        image.load()
    rest = sdc.decode(stream, levels="other")
    assert image.mode == "RGBA" and np.array_equal(np.asarray(image), rgba(rest.pixels, rest.covered))


def test_verify(stream: bytes, path: Path) -> None:
    for good in (stream, path):
        image = opened(good)
        image.verify()
        with pytest.raises(ValueError, match="closed"):
            image.load()
    broken = bytearray(stream)
    broken[sdc.open(stream).prefix_size(levels="L1") - 1] ^= 1
    for wrong in (bytes(broken), stream[:-1]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = opened(wrong)
        with pytest.raises(OSError, match=r"E_(GROUP|CHUNK)_DAMAGED"):
            image.verify()


def test_the_limit_of_pixels_holds(stream: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    area = SIZE[0] * SIZE[1]
    monkeypatch.setattr("sdc.format.parse.parse_map", lambda *_: pytest.fail("the group map is decoded"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", area // 2 - 1)
    with pytest.raises(Image.DecompressionBombError, match="MAX_IMAGE_PIXELS"):
        Image.open(io.BytesIO(stream))
    monkeypatch.undo()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", area - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(stream))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert opened(stream).size == SIZE


# --- files ------------------------------------------------------------------------------------------


def test_files_are_closed_as_pillow_closes_them(stream: bytes, path: Path) -> None:
    image = opened(path)
    file = image.fp
    assert file is not None and not file.closed
    image.load()
    assert file.closed and image.fp is None
    own = io.BytesIO(stream)
    with Image.open(own) as given:
        given.load()
    assert not own.closed
    with opened(path) as image:
        file = image.fp
    assert file is not None and file.closed
    for closed in (image, opened(path)):
        closed.close()
        with pytest.raises(ValueError, match="closed"):
            closed.load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(path) as image:
            image.load()


def test_a_file_that_cannot_be_sought_in(stream: bytes) -> None:
    class Pipe:
        def __init__(self) -> None:
            self.read = io.BytesIO(stream).read

    image = Image.open(Pipe())  # type: ignore[arg-type]
    assert np.array_equal(np.asarray(image), sdc.decode(stream).pixels)


def test_a_parser_that_is_fed(stream: bytes) -> None:
    parser = ImageFile.Parser()
    for at in range(0, len(stream), 100):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that has not come
            parser.feed(stream[at : at + 100])
    image = parser.close()
    assert np.array_equal(np.asarray(image), sdc.decode(stream).pixels)


def test_a_file_is_saved_over_itself(path: Path) -> None:
    image = opened(path)
    before = np.asarray(opened(path)).astype(int)
    image.save(path, quality=60, effort=0)
    assert np.abs(np.asarray(opened(path)) - before).mean() < 10


# --- what Pillow does with images --------------------------------------------------------------------


def test_copies_and_pickles(stream: bytes) -> None:
    image = opened(stream)
    again = pickle.loads(pickle.dumps(image))
    assert again == image and isinstance(again, plugin.SdcImageFile) and again.sdc is None
    assert again.load() is not None
    assert again.info["objects"] == image.info["objects"]
    with pytest.raises(ValueError, match="open the image again"):
        again.levels = "L1"
    for other in (image.copy(), copy.copy(opened(stream)), copy.deepcopy(image)):
        assert np.array_equal(np.asarray(other), np.asarray(image))


def test_thumbnails_and_turns(stream: bytes) -> None:
    image = opened(stream)
    image.thumbnail((20, 20))
    assert image.size == (20, 14)
    turned = opened(stream).transpose(Image.Transpose.ROTATE_90)
    assert turned.size == SIZE[::-1]
    assert opened(stream).crop((0, 0, 5, 6)).size == (5, 6)


def test_no_image_is_turned_by_its_exif() -> None:
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    block = turned.tobytes().removeprefix(b"Exif\0\0")
    data = sdc.encode(np.asarray(gradient()), exif=block, effort=0)  # EXIF-03 forbids it
    image = opened(bytes(data))
    assert image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    assert ImageOps.exif_transpose(image).size == SIZE


def test_threads(stream: bytes) -> None:
    want = sdc.decode(stream).pixels
    shared = opened(stream)
    with ThreadPoolExecutor(4) as pool:
        for image in pool.map(lambda k: opened(stream) if k % 2 else shared, range(12)):
            pool.submit(image.load)
        found = list(pool.map(lambda k: np.asarray(opened(stream) if k % 2 else shared), range(12)))
    assert all(np.array_equal(pixels, want) for pixels in found)


# --- saving -----------------------------------------------------------------------------------------


def test_saving_writes_what_the_encoder_writes() -> None:
    image = gradient()
    things = [sdc.Object("cat", BOX), sdc.Object("dog", (40, 30, 20, 16), sdc.Level.L2)]
    want = sdc.encode(np.asarray(image), objects=things, quality=20, effort=1, margin=1, group_by="object")
    options = {"quality": 20, "effort": 1, "margin": 1, "group_by": "object"}
    assert saved(image, objects=things, **options) == want
    listed = [
        {"label": "cat", "box": list(BOX)},
        {"label": "dog", "box": [40, 30, 20, 16], "level": "L2"},
    ]
    assert saved(image, objects=listed, **options) == want
    assert saved(image, model=2, quality={"other": 9}) == sdc.encode(
        np.asarray(image), model=2, quality=9, effort=0
    )


def test_the_option_level() -> None:
    assert opened(saved(level="L1")).info["levels"] == ("L1",)
    things = [{"label": "cat", "box": BOX}, {"label": "dog", "box": [40, 30, 20, 16], "level": "L3"}]
    image = opened(saved(objects=things, level="L2"))
    assert [(o["label"], o["level"]) for o in image.info["objects"]] == [("cat", "L2"), ("dog", "L3")]


@pytest.mark.parametrize("mode", ["1", "L", "RGBX", "YCbCr", "CMYK"])
def test_modes_that_are_converted(mode: str) -> None:
    image = gradient(mode)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        data = saved(image)
    assert ["CMYK" in str(w.message) for w in told] == [True] * (mode == "CMYK")
    assert data == sdc.encode(np.asarray(image.convert("RGB")), effort=0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "I", "F", "I;16", "LAB", "HSV"])
def test_modes_that_are_refused(mode: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=rf"cannot write mode {mode} as SDC.*convert"):
        Image.new(mode, (8, 8)).save(tmp_path / "x.sdc")
    assert not list(tmp_path.iterdir())


def test_a_transparent_colour_is_told() -> None:
    image = gradient()
    image.info["transparency"] = (1, 2, 3)
    with pytest.warns(UserWarning, match="transparent colour"):
        saved(image)


def test_metadata_is_written_as_pillow_has_it() -> None:
    for exif in (EXIF, EXIF.tobytes(), EXIF.tobytes().removeprefix(b"Exif\0\0")):
        image = opened(saved(exif=exif, xmp=XMP.decode()))
        assert image.getexif() == EXIF and image.info["xmp"] == XMP
        out = io.BytesIO()
        image.save(out, "JPEG", exif=image.info["exif"])
        assert Image.open(out).getexif() == EXIF
    assert "exif" not in opened(saved(image)).info


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quality": 90}, "0 to 63"),
        ({"effort": 11}, "effort"),
        ({"preset": "nothing"}, "E_USAGE"),
        ({"objects": [{"label": "cat"}]}, "E_OBJECTS"),
        ({"level": "L7"}, "level"),
        ({"save_all": True}, "save_all"),
        ({"append_images": [gradient()]}, "append_images"),
    ],
)
def test_wrong_options_are_refused_and_leave_no_file(
    options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=words):
        gradient().save(tmp_path / "x.sdc", **options)
    assert not list(tmp_path.iterdir())


def test_exif_that_wants_the_image_turned_is_refused() -> None:
    image = gradient()
    image.getexif()[ExifTags.Base.Orientation] = 6
    with pytest.raises(ValueError, match="exif_transpose"):
        saved(image, exif=image.getexif())
    upright = ImageOps.exif_transpose(image)
    assert opened(saved(upright, exif=upright.getexif())).size == SIZE[::-1]
    with pytest.raises(ValueError, match="EXIF cannot be read"):
        saved(exif=b"no EXIF at all")
    unknown = Image.Exif()
    unknown[ExifTags.Base.Orientation] = 0  # of some cameras
    assert opened(saved(exif=unknown)).getexif().get(ExifTags.Base.Orientation, 1) == 1


# --- registering ------------------------------------------------------------------------------------


def test_nothing_is_known_without_the_import(path: Path) -> None:
    code = (
        "import sys, sdc\nfrom PIL import Image\n"
        "assert not [m for m in sys.modules if m.startswith('sdc.plugins')]\n"
        "try: Image.open(sys.argv[1])\n"
        "except Image.UnidentifiedImageError: print('unknown')\n"
        "import sdc.plugins.pillow\n"
        "print(Image.open(sys.argv[1]).size)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["unknown", str(SIZE)]


def test_the_commands_still_take_a_stream_for_none_of_their_images(path: Path) -> None:
    from sdc.images.read import is_image, read_image

    assert not is_image("x.sdc")
    with pytest.raises(sdc.UsageError, match="a stream of SDC is not read here"):
        read_image(path.read_bytes())
