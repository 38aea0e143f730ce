"""Builds the wheel, installs it into an empty environment, and tries there what people who install it do.

``python tests/try_wheel.py`` takes two minutes and needs a registry of packages.  It tries three wheels: with
the compiled core, for which a compiler must be there; of the source distribution where no compiler works; and
without the core (``SDC_BUILD_CORE=0``).
``python tests/try_wheel.py --installed`` tries what is installed for this Python, with the core.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
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
        try:
            importlib.import_module(module.name)
        except ImportError as error:  # what plugs into torch says which extra it needs
            assert module.name in ("sdc.plugins.torch", "sdc.plugins.webdataset"), module.name
            assert "sdc-codec[loader]" in str(error), error
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


CORE = "sdc/core/_core."
"""How the name of the compiled core begins in a wheel."""


def copy(folder: Path) -> dict[str, str]:
    """A copy of the sources, so that nothing of an earlier build is in a wheel; returns :func:`sources`."""
    names = sources()
    for name in names:
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    return names


def build(folder: Path, python: Path, source: Path, places: set[str], **env: str) -> Path:
    """A wheel of the source, which holds the modules that it must.

    Args:
        places: of modules.
        env: environment variables of the build.
    """
    dist = folder / f"dist-{len(list(folder.glob('dist-*')))}"
    run(
        folder,
        [str(python), "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(dist), str(source)],
        **env,
    )
    (wheel,) = dist.glob("*.whl")
    size = wheel.stat().st_size
    held = set(zipfile.ZipFile(wheel).namelist())
    print(f"{wheel.name}: {size} bytes of at most {BUDGET}")
    assert size <= BUDGET, f"the wheel has {size} bytes, more than {BUDGET}"
    missing = sorted(places - held)
    assert missing == [], f"not in the wheel, see packages in pyproject.toml: {missing}"
    assert [name for name in held if name.endswith((".c", ".h"))] == [], "the wheel holds C"
    return wheel


def source_archive(folder: Path, python: Path, names: set[str]) -> Path:
    """The source distribution, which holds the C and all modules."""
    run(folder, [str(python), "-m", "pip", "install", "-q", "setuptools>=77"])
    words = [str(python), "setup.py", "-q", "sdist", "--dist-dir", str(folder / "archive")]
    run(folder / "source", words)
    (archive,) = (folder / "archive").glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        held = {name.partition("/")[2] for name in tar.getnames()}
    wanted = {
        name for name in names if name.startswith("sdc/core/") or (_place(name) and name.startswith("sdc/"))
    }
    assert wanted <= held and "setup.py" in held, sorted(wanted - held)
    return archive


def run(folder: Path, words: Sequence[str], **more: str) -> str:
    """Run a command there, away from this tree; returns what it prints.

    Args:
        more: environment variables.
    """
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SDC_"))} | more
    done = subprocess.run(words, cwd=folder, env=clean, stdout=subprocess.PIPE, text=True, timeout=600)
    assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stdout}"
    return done.stdout


def try_commands(folder: Path, sdc: list[str], python: Path, core: bool) -> bytes:
    """Encode, decode and look; returns the decoded image file.

    Args:
        sdc: the command.
        core: whether the compiled core must compute; else NumPy must.
    """
    said = run(folder, [*sdc, "--version"])
    print(said, end="")
    assert ("numpy: the compiled core was not built" in said) != core, said
    (path,) = said.split()[2].split(":")[:1]
    run(folder, [str(python), "-I", "-c", PICTURE])
    for command in (
        "encode picture.png picture.sdc",
        "decode picture.sdc decoded.png",
        "validate picture.sdc",
    ):
        run(folder, [*sdc, *command.split()])
    run(folder, [str(python), "-I", "-c", LOOK + WATCH.format(path=path)])
    return (folder / "picture.sdc").read_bytes() + (folder / "decoded.png").read_bytes()


WATCH = """
from sdc import core
from sdc.coding.engine import engine
assert core.path() == "{path}", core.about()
assert type(engine()).__name__ == ("PythonEngine" if "{path}" == "numpy" else "CoreEngine")
"""


def try_conformance(folder: Path, conformance: list[str], python: Path) -> None:
    """Some of the suite."""
    assert "valid/minimal.sdc:decode" in run(folder, [*conformance, "list", "--tier", "T3"])
    decoder = f"{python.as_posix()} -I -m sdc_conformance.adapter"
    words = [*conformance, "run", "--decoder", decoder, "--tier", "T3,A,M,X,V,C,E"]
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


def empty_environment(folder: Path) -> Path:
    """Make an environment; returns its Python."""
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def install(folder: Path, python: Path, wheel: Path) -> None:
    """Install a wheel, which brings what the light install needs and nothing else."""
    run(folder, [str(python), "-m", "pip", "install", "-q", "--force-reinstall", str(wheel)])
    freeze = run(folder, [str(python), "-m", "pip", "list", "--format=freeze"])
    brought = {line.partition("==")[0].lower() for line in freeze.split()}
    assert brought - {"pip", "setuptools", "wheel"} == LIGHT, brought


def try_wheels(folder: Path) -> None:
    """All three of them."""
    names = copy(folder)
    places = {place for place in names.values() if place}
    python = empty_environment(folder / "venv")
    home = python.parent
    wheel = build(folder, python, folder / "source", places, SDC_BUILD_CORE="1")
    assert "-cp310-abi3-" in wheel.name, "the core is for one version of Python only"
    assert any(name.startswith(CORE) for name in zipfile.ZipFile(wheel).namelist())
    install(folder, python, wheel)
    made = try_commands(folder, [str(home / "sdc")], python, core=True)
    assert "140" in run(folder, [str(home / "sdc-info"), "picture.sdc"])
    try_conformance(folder, [str(home / "sdc-conformance")], python)

    archive = source_archive(folder, python, set(names))
    for source, env in ((archive, {"CC": "/bin/false"}), (folder / "source", {"SDC_BUILD_CORE": "0"})):
        wheel = build(folder, python, source, {p for p in places if p.startswith("sdc/")}, **env)
        assert not any(name.startswith(CORE) for name in zipfile.ZipFile(wheel).namelist())
        assert "SDC_BUILD_CORE" not in env or wheel.name.endswith("-py3-none-any.whl")
        install(folder, python, wheel)
        assert try_commands(folder, [str(home / "sdc")], python, core=False) == made, (
            "other bytes without the core"
        )


def main() -> int:
    """The script; returns its exit status."""
    with tempfile.TemporaryDirectory(prefix="sdc-wheel-") as name:
        folder, python = Path(name), Path(sys.executable)
        if sys.argv[1:] == ["--installed"]:
            try_commands(folder, [str(python), "-I", "-m", "sdc.cli"], python, core=True)
            try_conformance(folder, [str(python), "-I", "-m", "sdc_conformance.runner"], python)
        else:
            try_wheels(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
