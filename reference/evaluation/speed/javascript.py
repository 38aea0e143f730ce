"""Times of the decoder in JavaScript in Node, plain and with the compiled core as WebAssembly."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from ..encoders import model_files

CODE = """
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const [folder, kind, modelFile, count, ...streams] = process.argv.slice(1);
const { loadModel, decode, ...rest } = await import(pathToFileURL(folder + '/sdc.js'));
if (kind === 'wasm') rest.useEngine(await (await import(pathToFileURL(folder + '/core.js'))).loadCore());
const models = [loadModel(new Uint8Array(readFileSync(modelFile)))];
const times = [];
for (let k = -1; k < Number(count); k++) {
  const data = new Uint8Array(readFileSync(streams[(k + streams.length) % streams.length]));
  const start = performance.now();
  decode(data, { models });
  if (k >= 0) times.push((performance.now() - start) / 1000);
}
console.log(JSON.stringify(times));
"""


def node_times(wasm: bool, streams: Sequence[str], count: int, model: int, folder: Path) -> list[float]:
    """Seconds of decoding in Node; nothing where Node or the compiled module is not there.

    Args:
        wasm: whether the compiled core computes.
        streams: of which each run decodes the next.
        folder: for a copy of the model's file.
    """
    decoder = Path(str(files("sdc_conformance") / "decoders" / "javascript"))
    node = shutil.which("node")
    if node is None or (wasm and not (decoder / "core.wasm").is_file()):
        return []
    path = folder / "model.safetensors"
    path.write_bytes(model_files(model)[0])
    command = [node, "--input-type=module", "-e", CODE, str(decoder), "wasm" if wasm else "plain"]
    command += [str(path), str(count), *streams]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    times: list[float] = json.loads(done.stdout)
    return times
