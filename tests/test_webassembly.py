"""The compiled core as WebAssembly: its sources, its memory, and what it leaves to JavaScript.

Without Node, clang or lld the tests that need them are skipped, unless the environment variable
``SDC_REQUIRE_JAVASCRIPT`` or ``SDC_REQUIRE_CLANG`` is set.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sdc.networks.registry import models_folder
from sdc_conformance.make import webassembly
from sdc_conformance.runner.suite import VECTORS

SCRIPT = """
import fs from 'node:fs';
const [decoder, module] = process.argv.slice(1);
const { PLAIN, decode, loadModel, sha256, useEngine } = await import(`${decoder}/sdc.js`);
const { loadCore } = await import(`${decoder}/core.js`);
const read = (name) => new Uint8Array(fs.readFileSync(name));
const core = await loadCore(read(module));
const size = () => core.c.memory.buffer.byteLength;
const same = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);
const tell = (seen) => console.log(JSON.stringify(seen));
"""


def ask(body: str, *words: Path | str, module: Path = webassembly.MODULE) -> Any:
    """What a script says that has loaded a module."""
    node = shutil.which("node")
    if node is None:
        reason = "node is not on this machine"
        pytest.fail(reason) if os.environ.get("SDC_REQUIRE_JAVASCRIPT") else pytest.skip(reason)
    decoder = webassembly.MODULE.parent.as_uri()
    command = [node, "--input-type=module", "-e", SCRIPT + body, decoder, str(module), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- what it was built from -----------------------------------------------------------------------


def test_the_module_is_of_the_sources() -> None:
    """Else: ``make wasm``."""
    assert webassembly.main([]) == 0


def test_a_module_of_other_sources_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for source in webassembly.CORE.rglob("*.[ch]"):
        own = tmp_path / source.relative_to(webassembly.CORE)
        own.parent.mkdir(exist_ok=True)
        shutil.copy(source, own)
    with (tmp_path / "wasm" / "string.h").open("a") as file:
        file.write("\n")
    monkeypatch.setattr(webassembly, "CORE", tmp_path)
    assert webassembly.main([]) == 1


def test_clang_makes_the_module(tmp_path: Path) -> None:
    """The same bytes by the same compilers; by others one that decodes."""
    try:
        compilers = webassembly.compilers()
    except FileNotFoundError as error:
        pytest.fail(str(error)) if os.environ.get("SDC_REQUIRE_CLANG") else pytest.skip(str(error))
    built = webassembly.build()
    committed = webassembly.MODULE.read_bytes()
    if compilers == webassembly.origin(committed)["compilers"]:
        assert built == committed
    (tmp_path / "core.wasm").write_bytes(built)
    assert ask(DECODE, *PICTURE, module=tmp_path / "core.wasm")["same"]


def test_the_module_asks_nothing_of_its_host_and_stays_small() -> None:
    module = webassembly.MODULE.read_bytes()
    assert len(module) < 65536
    body = "const m = new WebAssembly.Module(read(module)); tell(WebAssembly.Module.imports(m));"
    assert ask(body) == []


# --- what it computes -----------------------------------------------------------------------------

PICTURE = (VECTORS / "photo" / "astronaut-levels.sdc", models_folder() / "sdc-model-1.safetensors")
DECODE = """
const [file, model] = process.argv.slice(3).map(read);
const models = [loadModel(model)];
const plain = decode(file, { models }).pixels;
useEngine(core);
"""
DECODE += "tell({ same: same(plain, decode(file, { models }).pixels) });"


def test_memory_is_given_back() -> None:
    """Decoding again, refused streams in between, takes no more memory than the second time."""
    body = """
    const [file, broken, model, other] = process.argv.slice(3).map(read);
    const models = [loadModel(model), loadModel(other)];
    useEngine(core);
    const seen = [];
    for (let k = 0; k < 12; k++) {
      decode(file, { models });
      try { decode(broken, { models }); seen.push('decoded'); } catch (e) { seen.push(e.code); }
      seen.push(size());
    }
    tell(seen);
    """
    broken = VECTORS / "invalid" / "one-group-of-four-3.sdc"
    seen = ask(body, PICTURE[0], broken, PICTURE[1], models_folder() / "sdc-model-0.safetensors")
    assert seen[::2] == ["E_RANS_FINAL"] * 12
    assert len(set(seen[3::2])) == 1


def test_blocks_of_memory_do_not_touch() -> None:
    """Blocks of many sizes, filled and freed in an order by chance; what is free in the end is one again."""
    body = """
    let x = 1;
    const chance = (n) => { x = (Math.imul(x, 1103515245) + 12345) >>> 0; return (x >>> 8) % n; };
    const held = [];
    let wrong = 0;
    const drop = (k) => {
      const [[at, length, byte]] = held.splice(k, 1);
      if (!new Uint8Array(core.c.memory.buffer, at, length).every((v) => v === byte)) wrong++;
      core.c.sdc_free(at);
    };
    for (let k = 0; k < 3000; k++) {
      const length = chance(8) ? chance(300) : chance(300000);
      const at = core.c.sdc_alloc(length);
      if (!at || at % 64) wrong++;
      new Uint8Array(core.c.memory.buffer, at, length).fill(k % 251);
      held.push([at, length, k % 251]);
      while (held.length > 40) drop(chance(held.length));
    }
    while (held.length) drop(0);
    const before = size();
    const large = core.c.sdc_alloc(before - 200000);
    tell({ wrong, grown: size() - before, none: core.c.sdc_alloc(0xfffffff0), large: large > 0 });
    """
    assert ask(body) == {"wrong": 0, "grown": 0, "none": 0, "large": True}


def test_a_network_that_is_too_long_for_the_core_runs_all_the_same() -> None:
    body = """
    const table = Int32Array.from({ length: 64 * 5 }, (_, i) => (i % 7) - 3);
    const op = { op: 'quality', table, lo: -100, hi: 100, cin: 5, cout: 5 };
    const x = Int16Array.from({ length: 20 }, (_, i) => 3 * i - 30);
    const ways = [1, 256, 257, 1000].map((length) => {
      const net = { ops: Array(length).fill(op), channels: 5, lastDepthwise: -1 };
      const run = (engine) => Array.from(engine.run(net, x, 4, 9, null, null, 0, null).subarray(0, 20));
      return same(run(core), run(PLAIN));
    });
    tell(ways);
    """
    assert ask(body) == [True] * 4


def test_sums_beyond_sixteen_bits_are_clamped() -> None:
    body = """
    const extremes = [-32768, -32767, -1, 0, 1, 32767];
    const table = Int32Array.from({ length: 64 * 6 }, (_, i) => extremes[i % 6]);
    const x = Int16Array.from({ length: 36 }, (_, i) => extremes[Math.floor(i / 6)]);
    const shape = { cin: 6, cout: 6 };
    const seen = [[-32768, 32767], [-300, 200]].map(([lo, hi]) => {
      const clamped = { ...shape, lo, hi };
      const ops = [{ op: 'push', ...shape }, { op: 'quality', table, ...clamped }, { op: 'add', ...clamped }];
      const net = { ops, channels: 6, lastDepthwise: -1 };
      const run = (engine) => Array.from(engine.run(net, x, 6, 9, null, null, 0, null).subarray(0, 36));
      return same(run(core), run(PLAIN));
    });
    tell(seen);
    """
    assert ask(body) == [True, True]


def test_a_module_that_computes_wrongly_is_refused(tmp_path: Path) -> None:
    """One that multiplies numbers of 32 bits where pairs of 16 bits are meant."""
    module = webassembly.MODULE.read_bytes()
    dot, multiply = b"\xfd\xba\x01", b"\xfd\xb5\x01"
    assert dot in module
    (tmp_path / "core.wasm").write_bytes(module.replace(dot, multiply))
    body = """
    const wrong = await loadCore(read(process.argv[3])).then(() => 'loaded', (e) => e.message);
    tell(wrong);
    """
    assert "wrong answer" in ask(body, tmp_path / "core.wasm")
