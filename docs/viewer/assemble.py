#!/usr/bin/env python3
"""Assembles the viewer: the page, the decoder in JavaScript and the models, in one folder for any web server.

``python3 docs/viewer/assemble.py build/viewer`` needs the standard library alone.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent
ROOT = PAGE.parents[1]
DECODER = ROOT / "conformance" / "decoders" / "javascript"
MODELS = ROOT / "sdc" / "models"
PLACES = (
    "// SPDX-License-Identifier: Apache-2.0\n"
    "// Where this page finds the decoder and the models.\n"
    "export const DECODER = './decoder/';\n"
    "export const MODELS = './models/';\n"
)


def parts() -> dict[str, Path]:
    """The files of the page by their names in the folder, all but ``places.js``.

    The encoders' halves of models and the network of the analysis are not among them.
    """
    own = {
        path.name: path
        for path in PAGE.iterdir()
        if path.suffix in {".css", ".html", ".jpg", ".js", ".sdc", ".svg"}
    }
    decoder = {f"decoder/{name}": DECODER / name for name in ("core.js", "core.wasm", "sdc.js")}
    models = {
        f"models/{path.name}": path
        for path in MODELS.glob("sdc-model-*.safetensors")
        if "encoder" not in path.name
    }
    del own["places.js"]
    return {**own, **decoder, **models}


def assemble(folder: Path) -> None:
    """Fill a folder with the page and all that it needs; what was in it before is removed.

    Raises:
        FileExistsError: the folder is there and is no viewer.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "places.js").exists():
        raise FileExistsError(f"{folder} is there and holds something else")
    shutil.rmtree(folder, ignore_errors=True)
    for name, path in parts().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    (folder / "places.js").write_text(PLACES, "utf-8")


def main() -> int:
    """The command; returns its exit status."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: assemble.py FOLDER\n")
        return 64
    folder = Path(sys.argv[1])
    try:
        assemble(folder)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 74
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(
        f"{folder}: {size / 1e6:.1f} MB; try it with: {Path(sys.executable).name} -m http.server -d {folder}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
