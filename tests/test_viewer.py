"""The viewer in headless Chromium: its pixels, its requests, its keyboard, its words and its policy.

Without Chromium or Playwright the tests are skipped, unless the environment variable
``SDC_REQUIRE_JAVASCRIPT`` is set.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pytest
from PIL import Image

import sdc
from sdc_conformance.runner.suite import VECTORS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
VIEWER = ROOT / "docs" / "viewer"
EXAMPLE = VIEWER / "example.sdc"
ON_NUMPY = """
import sys, numpy as np, sdc
for name in sys.argv[1:]:
    data = open(name, 'rb').read()
    whole = sdc.decode(data, fill=(0, 0, 0))
    np.save(name + '.npy', np.dstack([whole.pixels, np.where(whole.covered, 255, 0).astype(np.uint8)]))
"""
READ = """(id) => {
  const canvas = document.getElementById(id);
  const { width, height } = canvas;
  if (!width) return { width, height, data: '' };
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  let text = '';
  for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
  return { width, height, data: btoa(text) };
}"""

INKS = """(texts) => [...document.querySelectorAll(texts)].filter((e) => e.offsetParent).map((e) => {
  let back = e;
  const paper = () => getComputedStyle(back).backgroundColor;
  while (back.parentElement && paper() === 'rgba(0, 0, 0, 0)') back = back.parentElement;
  return [`${e.tagName}.${e.className}${e.id}`, getComputedStyle(e).color, paper()];
})"""
TEXTS = (
    *("h1", ".intro p", ".label", ".size", ".reason", ".share", "#used", "th", "dd", "dt"),
    *("footer p", "button:not(.whole)", ".button"),
)


def absent(name: str) -> NoReturn:
    """Skip a test for want of a program, or fail where it is required."""
    reason = f"{name} is not on this machine"
    if os.environ.get("SDC_REQUIRE_JAVASCRIPT"):
        pytest.fail(reason)
    pytest.skip(reason)


# --- the web server, and the browser --------------------------------------------------------------


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, with ranges unless the address says otherwise, and notes how streams are asked for."""

    def __init__(self, *words: Any, asked: list[str], **more: Any):
        self.asked = asked
        super().__init__(*words, **more)

    def do_GET(self) -> None:
        path, _, mode = self.path.partition("?")
        if not path.endswith(".sdc"):
            return super().do_GET()
        data = Path(self.translate_path(path)).read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        self.asked.append(self.headers.get("Range", "whole"))
        if wanted is None or mode == "whole":
            self.send_response(200)
            part, described = data, None
        else:
            first, last = int(wanted[1]), min(int(wanted[2]), len(data) - 1)
            part, described = data[first : last + 1], f"bytes {first}-{last}/{len(data)}"
            self.send_response(206)
            self.send_header("Content-Range", described)
        self.send_header("ETag", f'"{len(self.asked) if mode == "changes" else 1}"')
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Viewer:
    """A page of the browser with the viewer in it."""

    def __init__(self, page: Page, address: str, folder: Path, asked: list[str]):
        self.page, self.address, self.folder, self.asked = page, address, folder, asked
        self.trouble: list[str] = []
        page.on("console", lambda m: self.trouble.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.trouble.append(str(e)))

    def open(self, data: bytes | None = None, query: str = "still") -> None:
        """Open the page, with a stream at an address of its server if one is given; waits for its end."""
        if data is not None:
            (self.folder / "file.sdc").write_bytes(data)
            query = f"url=file.sdc&{query}" if "url=" not in query else query
        self.page.goto(f"{self.address}?{query}")
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_selector("#frame[aria-busy=false]", state="attached", timeout=60000)

    def canvas(self, name: str = "decoded") -> np.ndarray[Any, np.dtype[np.uint8]]:
        """RGBA ``uint8 [height, width, 4]`` of a canvas."""
        seen = self.page.evaluate(READ, name)
        data = np.frombuffer(base64.b64decode(seen["data"]), np.uint8)
        return data.reshape(seen["height"], seen["width"], 4)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def until(self, selector: str, what: Callable[[str], bool]) -> None:
        """Wait until a part of the page reads as it should."""
        for _ in range(400):
            if what(text := self.text(selector)):
                return
            self.page.wait_for_timeout(25)
        raise AssertionError(text)

    def used(self, count: int) -> None:
        """Wait until the page counts so many bytes."""
        self.until("#used", lambda text: text == f"{count:,}")

    def key(self, selector: str, key: str) -> None:
        self.page.locator(selector).press(key)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for name in names if (path := shutil.which(name))), None) or absent("chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make viewer`` makes."""
    folder = tmp_path_factory.mktemp("site") / "viewer"
    subprocess.run([sys.executable, VIEWER / "assemble.py", folder], check=True, capture_output=True)
    return folder


def serve(folder: Path, asked: list[str]) -> ThreadingHTTPServer:
    handler = partial(Handler, directory=str(folder), asked=asked)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def viewer(browser: Browser, assembled: Path) -> Iterator[Viewer]:
    asked: list[str] = []
    server = serve(assembled, asked)
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    yield Viewer(context.new_page(), f"http://127.0.0.1:{server.server_port}/", assembled, asked)
    context.close()
    server.shutdown()
    server.server_close()


def on_numpy(data: bytes, folder: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """RGBA of a whole stream, computed by NumPy alone; zeros where nothing is decoded."""
    (folder / "own.sdc").write_bytes(data)
    words = [sys.executable, "-c", ON_NUMPY, str(folder / "own.sdc")]
    subprocess.run(words, check=True, env={**os.environ, "SDC_CORE": "numpy"})
    found: np.ndarray[Any, np.dtype[np.uint8]] = np.load(folder / "own.sdc.npy")
    return found


def labels_of(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The group map, a label for each pixel."""
    from sdc.format.parse import parse

    stream = parse(data)
    labels = stream.labels.repeat(16, 0).repeat(16, 1)
    return labels[: stream.head.height, : stream.head.width]


def vector(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


# --- pixels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "query"), [(EXAMPLE, ""), (VECTORS / "photo" / "astronaut-levels.sdc", "&engine=javascript")]
)
def test_every_prefix_has_the_pixels_of_numpy(file: Path, query: str, viewer: Viewer, tmp_path: Path) -> None:
    """The slider, moved by its arrow keys, from the map alone to everything and back."""
    data = file.read_bytes()
    whole, labels = on_numpy(data, tmp_path), labels_of(data)
    stops = stops_of(data)
    last = len(stops) - 1
    viewer.open(data, f"still{query}")
    assert ("WebAssembly" in viewer.text("#facts")) == (query == "")
    assert np.array_equal(viewer.canvas(), whole)
    for k, key in [(k, "ArrowLeft") for k in range(last - 1, -1, -1)] + [
        (k, "ArrowRight") for k in range(1, last + 1)
    ]:
        viewer.key("#slider", key)
        viewer.used(stops[k])
        shown = (labels > 0) & (labels <= k)
        assert np.array_equal(viewer.canvas(), np.where(shown[..., None], whole, 0)), k
    assert viewer.trouble == []


def stops_of(data: bytes) -> list[int]:
    """Bytes that the first groups need, none of them, one and so on."""
    groups = sdc.info(data)["groups"]
    return [groups[0]["offset"], *(g["offset"] + g["bytes"] for g in groups)]


@pytest.mark.parametrize(
    "name",
    ["photo/coffee-withdrawn", "photo/coffee-machines", "partial/damaged-group-crc", "valid/size-65x129"],
)
def test_vectors_have_the_pixels_of_numpy(name: str, viewer: Viewer, tmp_path: Path) -> None:
    """Other models, withdrawn and damaged groups, sides that are no multiples of 16."""
    data = vector(f"{name}.sdc")
    viewer.open(data)
    assert np.array_equal(viewer.canvas(), on_numpy(data, tmp_path))


def test_an_object_alone_and_its_png(viewer: Viewer) -> None:
    data = EXAMPLE.read_bytes()
    viewer.open(data)
    viewer.page.locator("#object-4").click()
    info = sdc.info(data)
    viewer.used(info["groups"][0]["offset"] + info["groups"][4]["bytes"])
    right = sdc.decode(data, objects="helmet")
    x, y, w, h = right.box
    canvas = viewer.canvas()
    assert (
        np.array_equal(canvas[y : y + h, x : x + w, 3] > 0, right.covered)
        and (canvas[..., 3] > 0).sum() == right.covered.sum()
    )
    saved = download(viewer)
    assert saved.size == (w, h) and saved.mode == "RGBA"
    pixels = np.asarray(saved)
    assert np.array_equal(pixels[..., 3] > 0, right.covered)
    assert np.array_equal(pixels[right.covered][:, :3], right.pixels[right.covered])
    viewer.page.keyboard.press("Escape")
    viewer.used(stops_of(data)[-1])
    assert np.array_equal(np.asarray(download(viewer).convert("RGB")), sdc.decode(data).pixels)


def download(viewer: Viewer) -> Image.Image:
    with viewer.page.expect_download() as found:
        viewer.page.locator("#download").click()
    assert found.value.suggested_filename.endswith(".png")
    return Image.open(BytesIO(Path(found.value.path()).read_bytes()))


def test_restored_beside_decoded(viewer: Viewer) -> None:
    """By the synthetic restoration model; one that is not there is said, and the rest shown."""
    data = vector("restored/one-and-others.sdc")
    right = sdc.decode(data, restore=True)
    assert right.restored is not None
    viewer.open(data)
    viewer.page.locator("#compare input[value=restored]").check(force=True)
    restored = viewer.canvas("restored")
    assert np.array_equal(restored[right.covered][:, :3], right.restored[right.covered])
    assert not np.array_equal(restored, viewer.canvas())
    assert viewer.page.locator("#restored").is_visible() and viewer.page.locator("#faults").is_hidden()
    viewer.open(vector("restored/names-unknown.sdc"))
    assert "not restored" in viewer.text("#faults") and "E_MODEL" in viewer.text("#faults")
    assert viewer.canvas()[..., 3].any() and viewer.page.locator("#compare").is_hidden()


def test_the_original_beside_it(viewer: Viewer) -> None:
    viewer.open(EXAMPLE.read_bytes(), "still&original=example.jpg")
    viewer.page.locator("#compare input[value=original]").check(force=True)
    right = np.asarray(Image.open(VIEWER / "example.jpg").convert("RGB")).astype(int)
    assert np.abs(viewer.canvas("original")[..., :3] - right).max() <= 2  # two decoders of JPEG
    for key, value in (("Home", "0"), ("PageUp", "20"), ("ArrowRight", "22")):
        viewer.key("#divider", key)
        assert viewer.page.locator("#divider").get_attribute("aria-valuenow") == value
    pixels = np.asarray(download(viewer))
    edge = round(512 * 0.22)
    assert np.array_equal(pixels[:, :edge, :3], viewer.canvas()[:, :edge, :3])
    assert np.array_equal(pixels[:, edge:, :3], viewer.canvas("original")[:, edge:, :3])


# --- bytes ----------------------------------------------------------------------------------------


def test_each_level_is_one_range(viewer: Viewer) -> None:
    data = EXAMPLE.read_bytes()
    stops = stops_of(data)
    ends = {"L1": stops[3], "L2": stops[5], "L3": stops[7], "other": stops[8]}
    viewer.open(data, "still&upto=L1")
    first = [f"bytes=0-{4095}", f"bytes=4096-{ends['L1'] - 1}", f"bytes={ends['other']}-{len(data) - 1}"]
    assert viewer.asked == first
    fetched = ends["L1"] + len(data) - ends["other"]
    assert f"{fetched:,} bytes in 3 requests" in viewer.text("#facts")
    viewer.used(ends["L1"])
    assert viewer.page.locator("#objects li").count() == 7
    viewer.page.locator("#object-6").click()  # L3, by a range of its own
    viewer.used(stops[0] + stops[7] - stops[6])
    assert viewer.asked[3:] == [f"bytes={stops[6]}-{stops[7] - 1}"]
    viewer.key("#slider", "End")
    viewer.used(ends["other"])
    rest = [f"bytes={ends['L1']}-{stops[6] - 1}", f"bytes={stops[7]}-{ends['other'] - 1}"]
    assert viewer.asked[4:] == rest
    assert f"{len(data):,} bytes in 6 requests" in viewer.text("#facts")
    assert np.array_equal(viewer.canvas()[..., :3], sdc.decode(data).pixels)


def test_a_server_without_ranges_gives_the_whole(viewer: Viewer) -> None:
    data = EXAMPLE.read_bytes()
    viewer.open(data, "url=file.sdc%3Fwhole&still")
    assert viewer.asked == ["bytes=0-4095"]
    assert f"{len(data):,} bytes in 1 request" in viewer.text("#facts")
    assert np.array_equal(viewer.canvas()[..., :3], sdc.decode(data).pixels)


def test_a_file_that_changes_in_between_is_not_mixed(viewer: Viewer) -> None:
    viewer.open(EXAMPLE.read_bytes(), "url=file.sdc%3Fchanges&still")
    assert "has changed on the server" in viewer.text("#faults")
    assert viewer.canvas().size == 0


def test_a_chosen_file_asks_for_nothing(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open()
    viewer.asked.clear()
    (tmp_path / "own.sdc").write_bytes(vector("photo/rocket-levels.sdc"))
    viewer.page.set_input_files("#file", str(tmp_path / "own.sdc"))
    viewer.until("#facts", lambda text: "140 ×" not in text and "512" not in text)
    viewer.settle()
    assert viewer.asked == [] and "own.sdc" in viewer.page.title()
    assert np.array_equal(viewer.canvas()[..., :3], sdc.decode(tmp_path / "own.sdc").pixels)


# --- what is wrong, in words ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "invalid/crc-head-crc",
            "This is not a valid SDC file, so nothing of it is shown.|E_HEAD_CRC at byte 18",
        ),
        ("invalid/magic-png", "does not begin as SDC files do|E_MAGIC at byte 0"),
        ("invalid/one-group-of-four-3", "not a valid SDC file|E_RANS_FINAL|group"),
        ("forward/feature-bit-7", "This page does not have what the file needs|newer reader|E_FEATURE"),
        ("forward/model-16384", "needs a model that is not here|E_MODEL"),
    ],
)
def test_a_file_that_cannot_be_shown_is_said_in_words(name: str, words: str, viewer: Viewer) -> None:
    viewer.open(vector(f"{name}.sdc"))
    said = viewer.text("#faults")
    assert all(part in said for part in words.split("|")), said
    assert viewer.canvas().size == 0
    assert viewer.page.locator("#faults").get_attribute("role") == "alert"
    assert not any("Error" in line for line in viewer.trouble)


def test_a_damaged_group_is_said_and_the_rest_is_shown(viewer: Viewer) -> None:
    data = bytearray(EXAMPLE.read_bytes())
    group = sdc.info(bytes(data))["groups"][3]
    data[group["offset"] + 100] ^= 1
    viewer.open(bytes(data))
    said = viewer.text("#faults")
    assert "the rest is shown" in said and f"E_GROUP_DAMAGED at byte {group['offset']:,} (group 3)" in said
    right = sdc.decode(bytes(data))
    assert np.array_equal(viewer.canvas()[..., 3] > 0, right.covered)


def test_an_address_that_is_not_there_is_said(viewer: Viewer) -> None:
    viewer.open(None, "url=none.html&still")
    assert "404" in viewer.text("#faults")
    viewer.open(None, "url=ftp:%2F%2Fexample.org%2Fa.sdc&still")
    assert "http" in viewer.text("#faults")


def test_an_address_that_the_policy_refuses_is_said_before_it_is_asked_for(viewer: Viewer) -> None:
    viewer.open(None, "url=http:%2F%2F127.0.0.2:9%2Fa.sdc&still")
    said = viewer.text("#faults")
    assert "reads from HTTPS and from its own server only, not from http://127.0.0.2:9" in said
    assert "CORS" not in said and viewer.trouble == []
    own = sdc.encode(np.zeros((16, 16, 3), np.uint8), objects=[], effort=0)
    (viewer.folder / "own.sdc").write_bytes(own)
    viewer.open(None, f"url={viewer.address.replace(':', '%3A')}own.sdc&still")
    assert not viewer.page.locator("#faults").is_visible()


# --- strangers ------------------------------------------------------------------------------------


def test_labels_are_text_and_the_policy_holds(viewer: Viewer) -> None:
    """Nothing is run or read as HTML, nothing breaks the policy, and the policy would have stopped it."""
    hostile = "<img src=x onerror=document.title='run'>"
    thing = sdc.Object(label=hostile, box=(0, 0, 16, 16), reason="<script>document.title='run'</script>")
    data = sdc.encode(np.full((32, 48, 3), 90, np.uint8), objects=[thing])
    viewer.page.add_init_script(
        "window.broken = [];"
        "addEventListener('securitypolicyviolation', (e) => window.broken.push(e.violatedDirective));"
    )
    viewer.open(data)
    assert viewer.text("#objects .label") == hostile and "<script>" in viewer.text("#objects .reason")
    assert viewer.page.locator("#objects img, #objects script").count() == 0
    assert viewer.page.title() != "run" and viewer.trouble == []
    assert viewer.page.evaluate("() => window.broken") == []
    tried = """async () => {
      const wrong = [];
      const attempt = (name, work) => { try { work(); } catch (e) { wrong.push(name); } };
      attempt('html', () => { document.getElementById('live').innerHTML = '<b>x</b>'; });
      const script = document.createElement('script');
      attempt('inline', () => { script.textContent = 'window.ran = 1'; document.body.append(script); });
      await fetch('http://example.org/').catch(() => wrong.push('fetch'));
      await new Promise((done) => { setTimeout(done, 100); });
      return [wrong, window.ran ?? null, window.broken.length > 0];
    }"""
    wrong, ran, broken = viewer.page.evaluate(tried)
    assert set(wrong) == {"html", "inline", "fetch"} and ran is None and broken


# --- keyboard, screen readers, small screens ------------------------------------------------------


def test_everything_is_reached_by_keyboard(viewer: Viewer) -> None:
    data = EXAMPLE.read_bytes()
    stops = stops_of(data)
    viewer.open()
    page = viewer.page
    order = []
    for _ in range(24):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate("() => document.activeElement.id || document.activeElement.textContent.trim()")
        )
    for name in ("file", "play", "slider", "download", "objects", "L1", "other"):
        assert name in order, order
    for key, stop in (
        ("Home", 0),
        ("PageUp", 3),
        ("PageUp", 5),
        ("ArrowLeft", 4),
        ("PageDown", 3),
        ("ArrowUp", 4),
        ("End", 8),
    ):
        viewer.key("#slider", key)
        viewer.used(stops[stop])
    viewer.key("#slider", "PageDown")
    viewer.used(stops[7])
    said = page.locator("#slider").get_attribute("aria-valuetext")
    assert said == f"L1 to L3, {stops[7]:,} bytes of {len(data):,} bytes"
    page.locator("#objects").focus()
    for key in ("Home", "ArrowDown", "ArrowDown"):
        viewer.key("#objects", key)
    assert page.locator("#objects").get_attribute("aria-activedescendant") == "object-2"
    assert page.locator("#outlines g.active").count() == 1
    viewer.key("#objects", "Enter")
    viewer.until("#live", lambda text: text.startswith("mission patch alone: "))
    assert page.locator("#object-2").get_attribute("aria-selected") == "true"
    page.keyboard.press("Escape")
    viewer.used(stops[7])
    viewer.key("#play", "Enter")
    viewer.used(stops[8])


def test_pointing_at_an_object_outlines_it(viewer: Viewer) -> None:
    viewer.open(EXAMPLE.read_bytes())
    frame = viewer.page.locator("#frame").bounding_box()
    assert frame is not None

    def point(x: int, y: int) -> str | None:
        viewer.page.mouse.move(frame["x"] + frame["width"] * x / 512, frame["y"] + frame["height"] * y / 512)
        active = viewer.page.locator("#outlines g.active")
        return active.get_attribute("data-object") if active.count() else None

    assert [point(225, 90), point(303, 358), point(170, 385), point(420, 40)] == ["0", "1", "2", "5"]
    assert point(120, 20) is None


def test_screen_readers_are_told_roles_and_names(viewer: Viewer) -> None:
    viewer.open()
    tree = viewer.page.locator("body").aria_snapshot()
    for line in (
        'slider "Bytes of the file that are used"',
        'listbox "What is in it"',
        'option "face',
        'button "Save PNG"',
        'heading "The important things come first."',
        "Decoded image of 512 by 512 pixels",
        'button "Choose a file"',
    ):
        assert line in tree, tree


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screens_scroll_in_one_direction_and_text_can_be_read(
    scheme: Any, browser: Browser, viewer: Viewer
) -> None:
    """At 390 pixels; contrast of text as WCAG 2.2 counts it."""
    viewer.page.set_viewport_size({"width": 390, "height": 844})
    viewer.page.emulate_media(color_scheme=scheme)
    viewer.open()
    assert viewer.page.evaluate("() => document.documentElement.scrollWidth") == 390
    found = viewer.page.evaluate(INKS, ", ".join(TEXTS))
    assert len(found) > 30
    for name, ink, paper in found:
        assert contrast(ink, paper) >= 4.5, (name, ink, paper)


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        values = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
        r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


# --- how it is put together -----------------------------------------------------------------------


def test_the_page_runs_from_the_repository_too(browser: Browser) -> None:
    """As ``python -m http.server`` in the root of the repository serves it: no file is there twice."""
    server = serve(ROOT, [])
    page = browser.new_page()
    own = Viewer(page, f"http://127.0.0.1:{server.server_port}/docs/viewer/", ROOT, [])
    own.open()
    assert np.array_equal(own.canvas()[..., :3], sdc.decode(EXAMPLE).pixels) and own.trouble == []
    page.close()
    server.shutdown()
    server.server_close()


def test_opened_from_a_folder_it_says_what_it_needs(browser: Browser, assembled: Path) -> None:
    """There browsers run no script that is a module."""
    page = browser.new_page()
    page.goto((assembled / "index.html").as_uri())
    assert "from a web server alone" in page.locator("#starting").inner_text()
    page.close()


def test_the_viewer_is_assembled_over_an_older_one_only(assembled: Path, tmp_path: Path) -> None:
    names = {str(path.relative_to(assembled)) for path in assembled.rglob("*") if path.is_file()}
    assert {
        "decoder/core.wasm",
        "decoder/sdc.js",
        "models/sdc-model-1.safetensors",
        "index.html",
        "example.sdc",
    } <= names
    assert not any("encoder" in name or name.endswith((".py", ".md")) for name in names)
    (tmp_path / "mine.txt").write_text("mine")
    words = [sys.executable, str(VIEWER / "assemble.py"), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 74 and "something else" in done.stderr and (tmp_path / "mine.txt").exists()


def test_nothing_is_fetched_from_elsewhere() -> None:
    """The page works without any other server."""
    text = "".join(
        path.read_text("utf-8") for path in VIEWER.iterdir() if path.suffix in {".html", ".css", ".js"}
    )
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//|url\((?!#)|@import", text) == []
