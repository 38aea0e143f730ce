"""The decoder in JavaScript, alone and with the compiled core: the suite under Node, its page in Chromium.

Without Node or Chromium the tests are skipped, unless the environment variable ``SDC_REQUIRE_JAVASCRIPT`` is
set.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import pytest

from sdc.networks.registry import models_folder
from sdc_conformance.runner.report import text_of
from sdc_conformance.runner.run import run
from sdc_conformance.runner.suite import VECTORS, Suite
from sdc_conformance.runner.worker import Options

pytestmark = pytest.mark.slow

DECODER = VECTORS.parent / "decoders" / "javascript"
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-dev-shm-usage""".split()
HARNESS = """<!doctype html><meta charset="utf-8">
<iframe id="page" width="600" height="600"></iframe>
<script type="module">
// Chooses a file in the page, as a person does, waits for its canvas and sends what is to be seen on it.
import { sha256 } from './sdc.js';
const tell = (body) => fetch('/seen', { method: 'POST', body: JSON.stringify(body) });
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
const frame = document.getElementById('page');
frame.src = `index.html${location.search}`;
try {
  const there = (page) => page.readyState === 'complete' && page.getElementById('file');
  while (!there(frame.contentDocument)) await pause(20);
  const page = frame.contentDocument;
  const files = new DataTransfer();
  for (const name of new URLSearchParams(location.search).getAll('file')) {
    files.items.add(new File([await (await fetch(name)).arrayBuffer()], name));
  }
  const canvas = page.getElementById('canvas');
  const input = page.getElementById('file');
  input.files = files.files;
  input.dispatchEvent(new Event('change'));
  while (canvas.getAttribute('aria-busy') !== 'false') await pause(20);
  const { width, height } = canvas;
  const rgba = width ? canvas.getContext('2d').getImageData(0, 0, width, height).data : [];
  const rgb = new Uint8Array(width * height * 3).fill(128);
  for (let i = 0; i < width * height; i++) {
    if (rgba[4 * i + 3]) for (let k = 0; k < 3; k++) rgb[3 * i + k] = rgba[4 * i + k];
  }
  await tell({ width, height, pixels: sha256(rgb), log: page.getElementById('log').textContent });
} catch (error) { await tell({ error: String(error.stack) }); }
</script>
"""
ENGINES = """<!doctype html><meta charset="utf-8">
<script type="module">
// Decodes files by every engine and sends the hashes of their pixels.
import { PLAIN, decode, loadModel, sha256, useEngine } from './sdc.js';
import { loadCore } from './core.js';
const tell = (body) => fetch('/seen', { method: 'POST', body: JSON.stringify(body) });
const bytes = async (name) => new Uint8Array(await (await fetch(name)).arrayBuffer());
try {
  const asked = new URLSearchParams(location.search);
  const models = await Promise.all(asked.getAll('model').map(async (name) => loadModel(await bytes(name))));
  const seen = {};
  for (const engine of [PLAIN, await loadCore()]) {
    useEngine(engine);
    seen[engine.name] = {};
    for (const name of asked.getAll('file')) {
      const options = { models, fill: [128, 128, 128] };
      seen[engine.name][name] = sha256(decode(await bytes(name), options).pixels);
    }
  }
  await tell(seen);
} catch (error) { await tell({ error: String(error.stack) }); }
</script>
"""


def absent(name: str) -> NoReturn:
    """Skip a test for want of a program, or fail where it is required."""
    reason = f"{name} is not on this machine"
    if os.environ.get("SDC_REQUIRE_JAVASCRIPT"):
        pytest.fail(reason)
    pytest.skip(reason)


def program(*names: str) -> str:
    """The path of the first program that is there."""
    return next((path for name in names if (path := shutil.which(name))), None) or absent(names[0])


# --- under Node -----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["--no-wasm", "--wasm"])
def test_the_decoder_passes_every_tier_that_it_claims(engine: str) -> None:
    """Either way fails where the engine that it names cannot be had."""
    command = [program("node"), str(DECODER / "cli.js"), engine]
    report = run(
        Suite.load(),
        Options(command, tiers=("T0", "T1", "T2", "T3", "R", "A", "M", "X", "V", "C"), progress=False),
    )
    assert report.passed and not report.left_out, text_of(report)
    assert len(report.results) > 4000


def test_a_model_of_the_registry_with_other_weights_is_refused(tmp_path: Path) -> None:
    """A stream may name a file's hash as it likes: what the registry says of the number counts (MODL-06)."""
    own = tmp_path / "sdc-model-1.safetensors"
    own.write_bytes((models_folder() / "sdc-model-0.safetensors").read_bytes())
    data = bytearray((VECTORS / "photo" / "rocket-q08.sdc").read_bytes())
    found = ask_node("decode", bytes(data), tmp_path)
    assert (found["exit"], found["error"]["code"]) == (2, "E_MODEL_HASH")
    script = "import { loadModel } from 'DECODER/sdc.js'; import fs from 'node:fs';"
    script += "loadModel(new Uint8Array(fs.readFileSync('FILE')), { number: 1, trust: true });"
    script = script.replace("DECODER", DECODER.as_uri()).replace("FILE", str(own))
    words = [program("node"), "--input-type=module", "-e", script]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode and "the file is not model 1 of the registry" in done.stderr


def ask_node(op: str, data: bytes, models: Path) -> Any:
    """The decoder's answer to one line of ``serve``."""
    line = json.dumps({"id": 1, "op": op, "data": base64.b64encode(data).decode()})
    words = [program("node"), str(DECODER / "cli.js"), "serve"]
    environment = {**os.environ, "SDC_MODELS": str(models)}
    done = subprocess.run(words, input=line, capture_output=True, text=True, timeout=60, env=environment)
    return json.loads(done.stdout)


def test_without_the_core_the_decoder_says_so_and_goes_on(tmp_path: Path) -> None:
    for name in ("cli.js", "core.js", "package.json", "sdc.js"):
        shutil.copy(DECODER / name, tmp_path)
    words = [program("node"), str(tmp_path / "cli.js")]
    file = str(VECTORS / "valid" / "minimal.sdc")
    done = subprocess.run([*words, "info", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "so plain JavaScript computes" in done.stderr
    refused = subprocess.run([*words, "--wasm", "info", file], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 64 and json.loads(refused.stdout)["error"]["where"] == "--wasm"
    quiet = subprocess.run([*words, "--no-wasm", "info", file], capture_output=True, text=True, timeout=60)
    assert (quiet.returncode, quiet.stderr, quiet.stdout) == (0, "", done.stdout)


# --- in a browser ---------------------------------------------------------------------------------


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder as any web server does, and takes what the harness has seen."""

    def __init__(self, *words: Any, seen: queue.SimpleQueue[Any], **more: Any):
        self.seen = seen
        super().__init__(*words, **more)

    def do_POST(self) -> None:
        self.seen.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Site:
    """The page on a web server of its own, with the installed models beside it."""

    def __init__(self, folder: Path):
        self.folder = folder
        parts = [DECODER / name for name in ("index.html", "sdc.js", "core.js", "core.wasm")]
        for path in (*parts, *models_folder().glob("sdc-model-?.*")):
            (folder / path.name).symlink_to(path)
        (folder / "harness.html").write_text(HARNESS, "utf-8")
        (folder / "engines.html").write_text(ENGINES, "utf-8")
        self.seen: queue.SimpleQueue[Any] = queue.SimpleQueue()
        handler = partial(Handler, directory=str(folder), seen=self.seen)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def show(self, *names: str, page: str = "harness.html", query: str = "") -> Any:
        """What is to be seen after files were chosen: size, hash of the pixels, and what the page says."""
        query += "".join(f"&file={name}" for name in names)
        url = f"http://127.0.0.1:{self.server.server_port}/{page}?{query}"
        words = [program("chromium", "chromium-browser", "google-chrome"), *FLAGS]
        words += [f"--user-data-dir={self.folder / 'profile'}", "--remote-debugging-port=0", url]
        with (self.folder / "noise.txt").open("wb") as noise:
            browser = subprocess.Popen(words, stdout=noise, stderr=noise, start_new_session=True)
        try:
            return self.seen.get(timeout=120)
        except queue.Empty:
            pytest.fail((self.folder / "noise.txt").read_text("utf-8", "replace")[-2000:])
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    own = Site(tmp_path)
    yield own
    own.server.shutdown()
    own.server.server_close()


def right_answer(suite: Suite, file: str) -> Any:
    """What the manifest says of decoding a whole vector."""
    entry = next(e for e in suite.manifest["vectors"] if e["file"] == file)
    return next(a["answer"] for a in entry["ask"] if a["op"] == "decode" and "groups" not in a)


def show_vector(name: str, site: Site, query: str = "") -> str:
    """What the page says of a vector, whose pixels it must show."""
    suite = Suite.load()
    right = right_answer(suite, name)
    (site.folder / "file.sdc").write_bytes(suite.data(name))
    seen = site.show("file.sdc", query=query)
    assert "error" not in seen, seen
    assert (seen["width"], seen["height"]) == (right["width"], right["height"]), seen
    assert seen["pixels"] == right["pixels"], seen["log"]
    return str(seen["log"])


@pytest.mark.parametrize("name", ["astronaut-levels", "coffee-withdrawn", "coffee-machines"])
def test_the_page_shows_the_pixels_of_the_vectors(name: str, site: Site) -> None:
    """On models 1 and 2, of the installed files, fetched by the page itself."""
    assert "decoded by WebAssembly" in show_vector(f"photo/{name}.sdc", site)


@pytest.mark.parametrize("why", ["asked for", "no core"])
def test_the_page_decodes_without_the_core(why: str, site: Site) -> None:
    if why == "no core":
        (site.folder / "core.wasm").unlink()
    query = "engine=javascript" if why == "asked for" else ""
    assert "decoded by JavaScript" in show_vector("photo/coffee-machines.sdc", site, query)


def test_both_engines_give_the_pixels_of_many_vectors_in_the_browser(site: Site) -> None:
    suite = Suite.load()
    names = [e["file"] for e in suite.manifest["vectors"] if e["file"].startswith("photo/")]
    names += [f"valid/{name}.sdc" for name in ("four-levels", "holes", "residuals-extreme", "size-65x129")]
    assert len(names) == 22
    right = {}
    for k, name in enumerate(names):
        (site.folder / f"{k}.sdc").write_bytes(suite.data(name))
        right[f"{k}.sdc"] = right_answer(suite, name)["pixels"]
    models = "&".join(f"model=sdc-model-{number}.safetensors" for number in (0, 1, 2))
    assert site.show(*right, page="engines.html", query=models) == {"JavaScript": right, "WebAssembly": right}


def test_the_page_shows_no_pixel_of_an_invalid_file(site: Site) -> None:
    (site.folder / "file.sdc").write_bytes(Suite.load().data("invalid/one-group-of-four-3.sdc"))
    seen = site.show("file.sdc")
    assert seen["width"] == seen["height"] == 0 and "E_RANS_FINAL" in seen["log"], seen


def test_the_page_refuses_other_weights_than_the_registrys(site: Site) -> None:
    """A model file chosen with the picture, with one byte of it another."""
    data = bytearray((models_folder() / "sdc-model-1.safetensors").read_bytes())
    data[-1] ^= 1
    (site.folder / "other.safetensors").write_bytes(data)
    (site.folder / "sdc-model-1.safetensors").unlink()
    (site.folder / "file.sdc").write_bytes(Suite.load().data("photo/rocket-q08.sdc"))
    seen = site.show("other.safetensors", "file.sdc")
    assert seen["width"] == 0 and "E_MODEL" in seen["log"], seen


def test_the_files_of_the_page_are_of_types_that_web_servers_know() -> None:
    """``.mjs`` is sent as text by some, and a browser then refuses it."""
    names = {path.name for path in DECODER.iterdir()}
    assert names == {"README.md", "cli.js", "core.js", "core.wasm", "index.html", "package.json", "sdc.js"}
    assert json.loads((DECODER / "package.json").read_text("utf-8"))["type"] == "module"
