"""Codecs that are programs: command templates for encoding and decoding.

A JSON file describes one::

    {
      "name": "vvenc",
      "version": "1.13, preset medium, 4:2:0",
      "settings": [47, 42, 37, 32],
      "encode": "my-vvc-encode {input} {output} --qp {setting}",
      "decode": "my-vvc-decode {input} {output}"
    }

``{input}`` and ``{output}`` are files; images are PNG, or what ``"image": ".ppm"`` says (``.y4m`` is
:mod:`.y4m`), and the rate is the size of the coded file.
``{setting}``, ``{width}`` and ``{height}`` are numbers, for ``encode`` alone: a decoder has the file and
nothing else.
What was coded is kept under the hash of all that the JSON says.
Commands run without a shell.
A codec that takes only some sizes says so by ``"multiple": 2``: images are padded to it by their last rows
and columns, and what is coded is preceded by four bytes with the size, which count.
[vvc-apps.json](vvc-apps.json) is VVC by vvencapp and vvdecapp of Fraunhofer's VVenC and VVdeC, and
[vvc.json](vvc.json) the same encoder in an ffmpeg with libvvenc, such as the package imageio-ffmpeg has.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
from PIL import Image

from sdc.types import Pixels

from .codecs import PEERS, Codec
from .images import read_image
from .y4m import read_y4m, write_y4m

SIZE = struct.Struct(">HH")
Y4M = ".y4m"
PLACES = {"encode": {"input", "output", "setting", "width", "height"}, "decode": {"input", "output"}}
"""What the templates may name."""
FIELDS = {"name": str, "settings": list, "encode": str, "decode": str}


@dataclass(frozen=True)
class _Commands:
    """The templates; an object of its own, because worker processes are handed it."""

    encoder: str
    decoder: str
    suffix: str
    words: str
    multiple: int

    def version(self) -> str:
        return self.words

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder) / f"in{self.suffix}", Path(folder) / "out.bin"
            size = pixels.shape[:2]
            height, width = (-(-n // self.multiple) * self.multiple for n in size)
            padding = ((0, height - size[0]), (0, width - size[1]), (0, 0))
            _write(np.pad(pixels, padding, "edge"), source)
            self._run(
                self.encoder, source, out, {"setting": f"{setting:g}", "width": width, "height": height}
            )
            return (SIZE.pack(*size) if self.multiple > 1 else b"") + out.read_bytes()

    def decode(self, data: bytes) -> Pixels:
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder) / "in.bin", Path(folder) / f"out{self.suffix}"
            source.write_bytes(data[SIZE.size if self.multiple > 1 else 0 :])
            self._run(self.decoder, source, out, {})
            pixels = read_y4m(out) if self.suffix == Y4M else read_image(out)
        height, width = SIZE.unpack_from(data) if self.multiple > 1 else pixels.shape[:2]
        return pixels[:height, :width]

    def _run(self, template: str, source: Path, out: Path, values: Mapping[str, object]) -> None:
        given = {"input": source, "output": out, **values}
        command = [word.format(**given) for word in shlex.split(template)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not out.is_file():
            last = (done.stderr.strip() or done.stdout.strip() or "it wrote no file").splitlines()[-1]
            raise RuntimeError(f"{command[0]}: {last}")


def _write(pixels: Pixels, path: Path) -> None:
    """Write an image as its name says."""
    if path.suffix == Y4M:
        write_y4m(pixels, path)
    else:
        Image.fromarray(pixels).save(path)


def load_external(path: Path) -> Codec:
    """A codec from its JSON file.

    Raises:
        ValueError: the file is not as the module describes.
    """
    data: dict[str, Any] = json.loads(path.read_text())
    for name, kind in FIELDS.items():
        if not isinstance(data.get(name), kind):
            raise ValueError(f"{path}: {name!r} must be given as {kind.__name__}")
    if data["name"] in ("sdc", *PEERS):
        raise ValueError(f"{path}: {data['name']!r} is the name of another codec")
    for field, known in PLACES.items():
        places = [place for _, place, _, _ in Formatter().parse(data[field]) if place is not None]
        named = {re.split(r"[.\[]", place)[0] for place in places}
        if named - known:
            raise ValueError(f"{path}: {field!r} cannot have {{{min(named - known)}}}")
    settings = tuple(float(value) for value in data["settings"])
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
    version = f"{data.get('version') or data['encode'] + ' | ' + data['decode']}, file {digest}"
    multiple = data.get("multiple", 1)
    if not isinstance(multiple, int) or multiple < 1:
        raise ValueError(f"{path}: 'multiple' must be a whole number from 1")
    commands = _Commands(data["encode"], data["decode"], data.get("image", ".png"), version, multiple)
    return Codec(data["name"], settings, commands.version, commands.encode, commands.decode)
