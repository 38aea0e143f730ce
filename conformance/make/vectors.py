"""Makes ``vectors/`` and its manifest: always the same bytes.

``python -m sdc_conformance.make`` prints what is stale and returns 1 when something is;
``--write`` writes the files anew.

What a vector must give is stated where it is made, for everything that is refused and for every prefix and
subset.  For what is accepted it is what the reference decoder gives, and the symbols must be those coded.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sdc.errors import error_table
from sdc.networks.registry import load_model, load_restoration, models_folder
from sdc.testing.synthetic_restoration import NUMBER as SYNTHETIC
from sdc.testing.synthetic_restoration import synthetic_restoration_file

from ..adapter import digest
from ..runner.suite import VECTORS
from .book import LICENCE, Book, sentences
from .editors import editors
from .invalid_container import invalid_container
from .invalid_foreign import invalid_foreign
from .invalid_map import invalid_map
from .invalid_metadata import invalid_metadata
from .invalid_symbols import invalid_symbols
from .metadata import metadata
from .models import models
from .partial import partial
from .photos import MACHINES, MODEL, RESTORES, photographs, tasks
from .restoration_models import restoration_models
from .restored import restored
from .second_model import CUT_OFF, NUMBER, RESERVED, second_model_file
from .second_restoration import NUMBER as RESTORATION
from .second_restoration import WRONG, second_restoration_file
from .stages import stage_files
from .valid import commands, forward, permissive, private, uncommon, valid

EDITION = 2
"""Of the vectors; a change of the bytes of all streams makes a new one, in which names may be used again."""


def everything() -> dict[str, bytes]:
    """All files of ``vectors/`` by path."""
    own = own_models()
    before = os.environ.get("SDC_MODELS")
    with tempfile.TemporaryDirectory() as folder:
        for number, data in own.items():
            (Path(folder) / f"sdc-model-{number}.safetensors").write_bytes(data)
        os.environ["SDC_MODELS"] = folder
        try:
            return _everything(own)
        finally:
            if before is None:
                del os.environ["SDC_MODELS"]
            else:
                os.environ["SDC_MODELS"] = before


def own_models() -> dict[int, bytes]:
    """The model files that the vectors bring, by number; two are of no use to decoders."""
    second = second_model_file()
    return {
        0: (models_folder() / "sdc-model-0.safetensors").read_bytes(),
        NUMBER: second,
        RESERVED: second,
        CUT_OFF: second[:-1],
        SYNTHETIC: synthetic_restoration_file(),
        RESTORATION: second_restoration_file(),
        WRONG: second_restoration_file([-20000, 18999]),
    }


def _everything(own: dict[int, bytes]) -> dict[str, bytes]:
    book = Book()
    for make in (
        valid,
        commands,
        uncommon,
        permissive,
        private,
        forward,
        invalid_container,
        invalid_map,
        invalid_symbols,
        invalid_metadata,
        metadata,
        invalid_foreign,
        partial,
        editors,
        models,
        restoration_models,
        restored,
        photographs,
        tasks,
    ):
        make(book)
    names = {number: f"models/sdc-model-{number}.safetensors" for number in own}
    files = {**book.files, **stage_files(), **{names[number]: data for number, data in own.items()}}
    manifest = {
        "edition": EDITION,
        "about": "Vectors of SDC 1.0; see ../protocol.md and manifest.schema.json.",
        "licence": LICENCE,
        "models": {
            str(number): {"file": names[number], "sha256": digest(data)} for number, data in own.items()
        }
        | {str(number): {"sha256": load_model(number).sha256} for number in (MODEL, MACHINES)}
        | {str(RESTORES): {"sha256": load_restoration(RESTORES).sha256}},
        "codes": {code: {"class": row["class"], "ids": row["ids"]} for code, row in error_table().items()},
        "stages": {path: digest(data) for path, data in files.items() if path.startswith("stages/")},
    }
    lines = [f'"{key}": {json.dumps(value)}' for key, value in manifest.items()]
    said = ",\n".join(f'  "{key}": {json.dumps(text)}' for key, text in sentences().items())
    rows = ",\n".join("  " + json.dumps(entry) for entry in book.entries)
    text = "{\n" + ",\n".join(lines) + f',\n"sentences": {{\n{said}\n}},\n"vectors": [\n{rows}\n]\n}}\n'
    json.loads(text)
    files["manifest.json"] = text.encode()
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="sdc_conformance.make", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files anew")
    given = parser.parse_args(arguments)
    files = everything()
    present = {
        str(path.relative_to(VECTORS)): path
        for path in VECTORS.rglob("*")
        if path.is_file() and path.name != "manifest.schema.json"
    }
    stale = [
        name for name, data in files.items() if name not in present or present[name].read_bytes() != data
    ]
    stale += [name for name in present if name not in files]
    for name in stale:
        print(f"{'written' if given.write else 'stale'}: {name}")
        if given.write and name in files:
            path = VECTORS / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[name])
        elif given.write:
            present[name].unlink()
    total = sum(map(len, files.values()))
    print(f"{len(files)} files, {total} bytes, {len(stale)} {'written' if given.write else 'stale'}")
    return 1 if stale and not given.write else 0
