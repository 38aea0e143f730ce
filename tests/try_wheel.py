"""Builds the wheel, installs it into an empty environment, and tries there what people who install it do.

``python tests/try_wheel.py`` takes a minute and needs a registry of packages.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"sdc": "sdc", "spec": "sdc_spec", "reference": "sdc_reference", "conformance": "sdc_conformance"}
BUDGET = 20_000_000
"""Bytes that the wheel may have, with all models (docs/stability.md)."""
LIGHT = {"construct", "numpy", "pillow", "sdc-codec", "threadpoolctl"}
"""What the light install brings, beside pip and setuptools."""

PICTURE = """
import numpy as np
from PIL import Image
y, x = np.mgrid[:90, :140]
Image.fromarray(np.stack([x, 2 * y, 255 - x], 2).astype(np.uint8)).save("picture.png")
"""
LOOK = """
import importlib, pkgutil, sys
import numpy as np
from PIL import Image
import sdc
for module in pkgutil.walk_packages(sdc.__path__, "sdc."):
    if "__main__" not in module.name and "._" not in module.name:
        importlib.import_module(module.name)
assert not {"torch", "onnxruntime", "transformers"} & set(sys.modules)
with open("picture.sdc", "rb") as file:
    pixels = sdc.decode(file.read()).pixels
assert np.array_equal(pixels, np.asarray(Image.open("decoded.png")))
error = (pixels.astype(float) - np.asarray(Image.open("picture.png"))) ** 2
assert error.mean() < 100, error.mean()
"""


def sources() -> dict[str, str]:
    """Every file of this tree that git does not ignore, with its place in the wheel if it is a module."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return {name: _place(name) for name in names}


def _place(name: str) -> str:
    room, _, rest = name.partition("/")
    return f"{ROOMS[room]}/{rest}" if room in ROOMS and name.endswith(".py") else ""


def build(folder: Path, python: Path) -> Path:
    """The wheel, made of a copy, so that nothing of an earlier build is in it."""
    names = sources()
    for name in names:
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    run(folder, [str(python), "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", "dist", "./source"])
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    size = wheel.stat().st_size
    print(f"{wheel.name}: {size} bytes of at most {BUDGET}")
    assert size <= BUDGET, f"the wheel has {size} bytes, more than {BUDGET}"
    missing = sorted({place for place in names.values() if place} - held)
    assert missing == [], f"not in the wheel, see packages in pyproject.toml: {missing}"
    return wheel


def run(folder: Path, words: Sequence[str]) -> str:
    """Run a command there, away from this tree; returns what it prints."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SDC_"))}
    done = subprocess.run(words, cwd=folder, env=clean, stdout=subprocess.PIPE, text=True, timeout=600)
    assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stdout}"
    return done.stdout


def main() -> int:
    """The script; returns its exit status."""
    with tempfile.TemporaryDirectory(prefix="sdc-wheel-") as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        home = folder / "venv" / "bin"
        wheel = build(folder, home / "python")
        run(folder, [str(home / "python"), "-m", "pip", "install", "-q", str(wheel)])
        freeze = run(folder, [str(home / "python"), "-m", "pip", "list", "--format=freeze"])
        brought = {line.partition("==")[0].lower() for line in freeze.split()} - {
            "pip",
            "setuptools",
            "wheel",
        }
        assert brought == LIGHT, brought
        run(folder, [str(home / "python"), "-I", "-c", PICTURE])
        for command in (
            "encode picture.png picture.sdc",
            "decode picture.sdc decoded.png",
            "validate picture.sdc",
        ):
            run(folder, [str(home / "sdc"), *command.split()])
        run(folder, [str(home / "python"), "-I", "-c", LOOK])
        assert "140" in run(folder, [str(home / "sdc-info"), "picture.sdc"])
        conformance = str(home / "sdc-conformance")
        assert "valid/minimal.sdc:decode" in run(folder, [conformance, "list", "--tier", "T3"])
        decoder = f"{home / 'python'} -I -m sdc_conformance.adapter"
        words = [conformance, "run", "--decoder", decoder, "--tier", "T3,A,M,X,V,C,E"]
        for only in (
            "valid/minimal",
            "valid/for-commands",
            "photo/rocket-q08",
            "model/tiny",
            "edit/provenance",
            "picture/rocket",
        ):
            words += ["--only", only]
        print(run(folder, words), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
