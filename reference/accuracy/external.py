"""Codecs that are programs: command templates for encoding and decoding.

A JSON file describes one::

    {
      "name": "vvenc",
      "version": "1.13, preset medium, 4:2:0",
      "settings": [47, 42, 37, 32],
      "encode": "my-vvc-encode {input} {output} --qp {setting}",
      "decode": "my-vvc-decode {input} {output}"
    }

``{input}`` and ``{output}`` are files; pictures are PNG, or what ``"picture": ".ppm"`` says, and the rate is
the size of the coded file.  ``{setting}``, ``{width}`` and ``{height}`` are numbers.
Commands run without a shell.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..bench.codecs import Codec
from .areas import Pixels

FIELDS = {"name": str, "settings": list, "encode": str, "decode": str}


@dataclass(frozen=True)
class _Commands:
    """The templates; an object of its own, because worker processes are handed it."""

    encoder: str
    decoder: str
    suffix: str
    words: str

    def version(self) -> str:
        return self.words

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder) / f"in{self.suffix}", Path(folder) / "out.bin"
            Image.fromarray(pixels).save(source)
            height, width = pixels.shape[:2]
            self._run(
                self.encoder, source, out, {"setting": f"{setting:g}", "width": width, "height": height}
            )
            return out.read_bytes()

    def decode(self, data: bytes) -> Pixels:
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder) / "in.bin", Path(folder) / f"out{self.suffix}"
            source.write_bytes(data)
            self._run(self.decoder, source, out, {})
            with Image.open(out) as picture:
                return np.asarray(picture.convert("RGB"))

    def _run(self, template: str, source: Path, out: Path, values: Mapping[str, object]) -> None:
        given = {"input": source, "output": out, **values}
        command = [word.format(**given) for word in shlex.split(template)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not out.is_file():
            last = (done.stderr.strip() or done.stdout.strip() or "it wrote no file").splitlines()[-1]
            raise RuntimeError(f"{command[0]}: {last}")


def load_external(path: Path) -> Codec:
    """A codec from its JSON file.

    Raises:
        ValueError: the file is not as the module describes.
    """
    data: dict[str, Any] = json.loads(path.read_text())
    for name, kind in FIELDS.items():
        if not isinstance(data.get(name), kind):
            raise ValueError(f"{path}: {name!r} must be given as {kind.__name__}")
    settings = tuple(float(value) for value in data["settings"])
    version = str(data.get("version", "")) or f"{data['encode']} | {data['decode']}"
    commands = _Commands(data["encode"], data["decode"], data.get("picture", ".png"), version)
    return Codec(data["name"], settings, commands.version, commands.encode, commands.decode)
