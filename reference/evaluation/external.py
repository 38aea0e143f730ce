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
from collections.abc import Collection, Mapping
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
            write_image(np.pad(pixels, padding, "edge"), source)
            run_command(
                self.encoder, source, out, {"setting": f"{setting:g}", "width": width, "height": height}
            )
            return (SIZE.pack(*size) if self.multiple > 1 else b"") + out.read_bytes()

    def decode(self, data: bytes) -> Pixels:
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder) / "in.bin", Path(folder) / f"out{self.suffix}"
            source.write_bytes(data[SIZE.size if self.multiple > 1 else 0 :])
            run_command(self.decoder, source, out)
            pixels = read_written(out)
        height, width = SIZE.unpack_from(data) if self.multiple > 1 else pixels.shape[:2]
        return pixels[:height, :width]


def run_command(template: str, source: Path, out: Path, values: Mapping[str, object] | None = None) -> None:
    """Run a program on a file, without a shell.

    Args:
        template: the command, with ``{input}``, ``{output}`` and the names of the values.
        source: the file that it reads.
        out: the file that it is to write.
        values: of the other places.

    Raises:
        OSError: there is no such program.
        RuntimeError: it failed, or wrote no file; with the last line that it printed.
    """
    given = {"input": source, "output": out, **(values or {})}
    command = [word.format(**given) for word in shlex.split(template)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not out.is_file():
        last = (done.stderr.strip() or done.stdout.strip() or "it wrote no file").splitlines()[-1]
        raise RuntimeError(f"{command[0]}: {last}")


def write_image(pixels: Pixels, path: Path) -> None:
    """Write an image, ``uint8 [H, W, 3]``, as its name says.

    Raises:
        ValueError: no format has such names.
    """
    if path.suffix == Y4M:
        write_y4m(pixels, path)
    else:
        Image.fromarray(pixels).save(path)


def read_written(path: Path) -> Pixels:
    """Pixels of an image that a program wrote, ``uint8 [H, W, 3]``.

    Raises:
        OSError, ValueError: it is none.
    """
    return read_y4m(path) if path.suffix == Y4M else read_image(path)


def read_description(path: Path, fields: Mapping[str, type]) -> dict[str, Any]:
    """What a JSON file says of programs.

    Args:
        path: the file.
        fields: what it must have, with the type of each.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file.
    """
    try:
        data: Any = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path} must hold an object of JSON")
    for name, kind in fields.items():
        if not isinstance(data.get(name), kind):
            raise ValueError(f"{path}: {name!r} must be given as {kind.__name__}")
    return data


def check_template(path: Path, field: str, template: str, known: Collection[str]) -> set[str]:
    """The places that a command template names.

    Args:
        path: the file that it is of.
        field: of the file.
        template: the command.
        known: what it may name.

    Raises:
        ValueError: it names something else, or is no template.
    """
    try:
        words = [part for word in shlex.split(template) for part in Formatter().parse(word)]
    except ValueError as error:
        raise ValueError(f"{path}: {field!r} is no command: {error}") from error
    named = {re.split(r"[.\[]", place)[0] for _, place, _, _ in words if place is not None}
    if named - set(known):
        raise ValueError(f"{path}: {field!r} cannot have {{{min(named - set(known))}}}")
    return named


def load_external(path: Path) -> Codec:
    """A codec from its JSON file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not as the module describes.
    """
    data = read_description(path, FIELDS)
    if data["name"] in ("sdc", *PEERS):
        raise ValueError(f"{path}: {data['name']!r} is the name of another codec")
    for field, known in PLACES.items():
        check_template(path, field, data[field], known)
    settings = tuple(float(value) for value in data["settings"])
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
    version = f"{data.get('version') or data['encode'] + ' | ' + data['decode']}, file {digest}"
    multiple = data.get("multiple", 1)
    if not isinstance(multiple, int) or multiple < 1:
        raise ValueError(f"{path}: 'multiple' must be a whole number from 1")
    commands = _Commands(data["encode"], data["decode"], data.get("image", ".png"), version, multiple)
    return Codec(data["name"], settings, commands.version, commands.encode, commands.decode)
