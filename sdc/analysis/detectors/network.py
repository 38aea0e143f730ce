"""A network in an ONNX file: what it takes, what it gives, and what it is told about itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...errors import SdcError
from ...types import Pixels
from ..hashes import weights_beside
from ..optional import need
from .boxes import Preparation
from .metadata import LARGEST, class_names, usual_size

Floats = npt.NDArray[np.float32]

GREY = 114

SIDE = 640
"""Side of the input where the network leaves it open and does not say what it is used to."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


def session_of(path: str, what: str, option: str, threads: int = 0) -> tuple[Any, str, dict[str, str]]:
    """A network in an ONNX file; weights in a file beside it are found there.

    Args:
        path: of the file.
        what: it is, for messages.
        option: of the command line that names the file.
        threads: that it runs on; those that onnxruntime chooses where it is 0.

    Returns:
        ``(onnxruntime's session on the processor, the file's name and the start of its SHA-256, metadata)``.

    Raises:
        SdcError: ``E_USAGE`` when onnxruntime is not installed or the file is no network, ``E_INPUT`` when
            there is no such file.
    """
    if not path:
        raise SdcError("E_USAGE", f"needs a file: {option} FILE", what)
    runtime = need("onnxruntime", "onnx")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise SdcError("E_INPUT", f"could not read the {what} network: {error.strerror}", path) from None
    try:
        settings = runtime.SessionOptions()
        settings.log_severity_level = 4
        settings.intra_op_num_threads = settings.inter_op_num_threads = threads
        session = runtime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        told = session.get_modelmeta().custom_metadata_map
    except Exception as error:  # onnxruntime has many, and no common class of them
        raise SdcError("E_USAGE", _why_not(data, path, str(error)), path) from None
    hashed = hashlib.sha256(data)
    for beside in weights_beside(path):
        hashed.update(beside.read_bytes())
    return session, f"{Path(path).name} {hashed.hexdigest()[:12]}", told


def _why_not(data: bytes, path: str, told: str) -> str:
    """Why a file is no network that can be run, in words."""
    suffix = Path(path).suffix.lower()
    if data[:4] == b"PK\x03\x04" or suffix in (".pt", ".pth"):
        return "not an ONNX network but a checkpoint of PyTorch; export it (yolo export format=onnx)"
    if data[4:8] == b"TFL3":
        return "not an ONNX network but one of TensorFlow Lite; export the model as ONNX"
    if data[:4] == b"\x89HDF" or suffix in (".h5", ".keras"):
        return "not an ONNX network but one of Keras; tf2onnx converts it"
    if suffix == ".pb":
        return "not an ONNX network but a graph of TensorFlow; tf2onnx converts it"
    if data.lstrip()[:5] == b"<?xml":
        return "not an ONNX network but one of OpenVINO; export the model as ONNX"
    if suffix == ".safetensors":
        return "not an ONNX network but weights alone; export the model as ONNX"
    if "xternal" in told or ".data" in told or "_data" in told:
        named = re.findall(r'"([^"]*)"', told)
        name = Path(named[-1]).name if named else f"{Path(path).name}.data"
        return f"its weights are in another file, which must lie beside it: {name}"
    return f"not an ONNX network: {_short(told)}"


def one_line(error: BaseException) -> str:
    """An error as one line."""
    return _short(str(error))


def _short(text: str) -> str:
    return " ".join(text.split())[:200]


def fitted(pixels: Pixels, rows: int, cols: int) -> tuple[Floats, tuple[int, int, int, int]]:
    """An image scaled to fit into a network's input, and centred on grey.

    Args:
        pixels: ``uint8 [H, W, 3]``.
        rows, cols: of the input.

    Returns:
        ``(float32 [1, 3, rows, cols] from 0 to 1, (left, top, width, height) of the image in it)``.
    """
    samples, place = framed(pixels, rows, cols, "middle")
    values = np.ascontiguousarray(samples.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    return values, place


def framed(pixels: Pixels, rows: int, cols: int, place: str) -> tuple[Pixels, tuple[int, int, int, int]]:
    """An image in a grey frame, or stretched to it.

    Args:
        pixels: ``uint8 [H, W, 3]``.
        rows, cols: of the frame.
        place: as :class:`.boxes.Preparation` has it.

    Returns:
        ``(uint8 [rows, cols, 3], (left, top, width, height) of the image in it)``.
    """
    height, width = pixels.shape[:2]
    if place == "stretch":
        left, top, w, h = 0, 0, cols, rows
    else:
        scale = min(cols / width, rows / height)
        w, h = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = ((cols - w) // 2, (rows - h) // 2) if place == "middle" else (0, 0)
    frame = Image.new("RGB", (cols, rows), (GREY, GREY, GREY))
    frame.paste(Image.fromarray(pixels).resize((w, h), Image.Resampling.BILINEAR), (left, top))
    return np.asarray(frame), (left, top, w, h)


class Output(NamedTuple):
    """An output of a network, as it was for an image that was tried.

    Attributes:
        name: in lower case, without what stands behind a colon.
        value: the array.
    """

    name: str
    value: npt.NDArray[Any]

    def __str__(self) -> str:
        return f"{self.name} {list(self.value.shape)} {self.value.dtype}"


class Placed(NamedTuple):
    """An image as the input of a network, ``array``, and where it lies in it, in pixels."""

    array: npt.NDArray[Any]
    left: int
    top: int
    width: int
    height: int


@dataclass(eq=False)
class Network:
    """A network that takes an image.

    Attributes:
        session: onnxruntime's.
        told: the metadata.
        entry: the input that takes the image.
        rows, cols: of that input.
        channels_last: whether it is ``[1, h, w, 3]``.
        batch: how many images it takes at once; None where it takes one without a number.
        names: of classes, by number.
        outputs: for an image that was tried; none where it failed, as some do where there is nothing to find.
        notes: what of the metadata was left out, in words.
    """

    session: Any
    told: Mapping[str, str]
    entry: Any
    rows: int
    cols: int
    channels_last: bool
    batch: int | None
    names: dict[int, str]
    outputs: list[Output] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, session: Any, told: Mapping[str, str], path: str) -> Network:
        """The network of a session, tried with one image.

        Raises:
            SdcError: ``E_USAGE`` where it takes no image.
        """
        entries = session.get_inputs()
        takes = [entry for entry in entries if entry.type in TYPES and _layout(entry.shape) is not None]
        if not takes or any(_filler(entry) is None for entry in entries if entry is not takes[0]):
            shown = "; ".join(f"{entry.name} {entry.shape} {entry.type}" for entry in entries)
            raise SdcError("E_USAGE", f"the network does not take an image, but {shown}", path)
        entry = takes[0]
        channels_last, (high, wide) = _layout(entry.shape) or (False, (None, None))
        names, wrong_names = class_names(told)
        usual, wrong_size = usual_size(told)
        usual = usual or (SIDE, SIDE)
        batch = None if len(entry.shape) == 3 else entry.shape[0] if isinstance(entry.shape[0], int) else 1
        found = cls(
            session,
            told,
            entry,
            high or usual[0],
            wide or usual[1],
            channels_last,
            batch,
            names,
            notes=[wrong for wrong in (wrong_names, wrong_size) if wrong],
        )
        if max(found.rows, found.cols) > LARGEST:
            raise SdcError("E_USAGE", f"its input of {found.rows} x {found.cols} is too large", path)
        y, x = np.mgrid[: found.rows, : found.cols]
        pattern = np.stack([x * 255 // found.cols, y * 255 // found.rows, (x ^ y) & 255], 2).astype(np.uint8)
        with suppress(Exception):  # whatever onnxruntime raises
            found.outputs = found.run(found.placed(pattern, Preparation()).array)
        return found

    def run(self, array: npt.NDArray[Any]) -> list[Output]:
        """Its outputs for an input; those of the first image where it takes several."""
        given = {self.entry.name: array}
        for entry in self.session.get_inputs():
            if entry.name != self.entry.name:
                filler = _filler(entry)
                assert filler is not None
                given[entry.name] = filler(self.rows, self.cols)
        found = self.session.run(None, given)
        names = [output.name.split(":")[0].lower() for output in self.session.get_outputs()]
        # Texts, truth values and lists of other things say nothing about boxes.
        values = [value if isinstance(value, np.ndarray) else np.empty(0, object) for value in found]
        return [
            Output(name, value.astype(np.float32) if value.dtype == np.float16 else value)
            for name, value in zip(names, values, strict=True)
            if value.dtype.kind in "fiu"
        ]

    def placed(self, pixels: Pixels, how: Preparation) -> Placed:
        """An image ``uint8 [H, W, 3]`` as its input."""
        kind = TYPES.get(self.entry.type, np.float32)
        samples, place = framed(pixels, self.rows, self.cols, how.place)
        if how.bgr:
            samples = samples[:, :, ::-1]
        if how.values == "bytes" or np.issubdtype(kind, np.integer):
            values = samples.astype(kind)
        else:
            unit = samples.astype(np.float32) / np.float32(255)
            if how.values == "imagenet":
                unit = (unit - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
            values = unit.astype(kind)
        if not self.channels_last:
            values = values.transpose(2, 0, 1)
        if self.batch is not None:
            values = np.repeat(values[None], self.batch, 0)
        return Placed(np.ascontiguousarray(values), *place)


def _side(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _layout(shape: Sequence[Any]) -> tuple[bool, tuple[int | None, int | None]] | None:
    """Whether channels come last, and rows and columns, of an input that takes images; None for another."""
    sides = list(shape[1:]) if len(shape) == 4 else list(shape) if len(shape) == 3 else []
    if not sides:
        return None
    if sides[0] == 3 or (not isinstance(sides[0], int) and sides[2] != 3):
        return False, (_side(sides[1]), _side(sides[2]))
    if sides[2] == 3:
        return True, (_side(sides[0]), _side(sides[1]))
    return None


def _filler(entry: Any) -> Any:
    """What makes an input besides the image: its size, or a mask of where it is; None for another."""
    shape, name = list(entry.shape), entry.name.lower()
    kind = TYPES.get(entry.type)
    if kind is None:
        return None
    if len(shape) <= 2 and shape and shape[-1] == 2:
        turned = "target_sizes" in name  # width first, as RT-DETR has it
        if "scale" in name:
            return lambda rows, cols: np.ones([1] * (len(shape) - 1) + [2], kind)
        return lambda rows, cols: np.array([cols, rows] if turned else [rows, cols], kind).reshape(
            [1] * (len(shape) - 1) + [2]
        )
    if "mask" in name and len(shape) == 3:
        return lambda rows, cols: np.ones((1, _side(shape[1]) or rows, _side(shape[2]) or cols), kind)
    return None
