"""Figures: ``python -m sdc_reference.bench COMMAND``.

- ``budget --coco DIR``: bytes of framing and of group maps of streams of COCO pictures with four levels.
- ``speed``: decoding and encoding times, in process, of a 768x512 picture with four groups.
- ``large``: a picture of 100 megapixels, decoded in a process of its own; its peak memory.
- ``rate --data DIR [--csv FILE]``: file bits per pixel against PSNR of the integer decoder.
- ``compare --csv FILE``: such a file against published figures of other codecs on Kodak.
- ``agree --data DIR``: how often torch and NumPy write the same file, and that they decode the same bits.
- ``independence --data DIR``: bytes and PSNR of four groups against one at equal quality.
- ``parts --data DIR``: bytes with the context or the hyperprior switched off.

``DIR`` is a folder of photographs (``budget``: with COCO's ``instances.json``).
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sdc.codec import analyse, analyse_hyper, assemble, decode, encode, sites_of
from sdc.container import Group, Head, parse
from sdc.latents import GroupCoder, encode_group
from sdc.mask import encode_map
from sdc.model import load_encoder, load_model
from sdc.objects import Object, group_map, load_objects

from .data import SUFFIXES

Pixels = np.ndarray[Any, Any]
QUALITIES = (0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60, 63)


def photographs(folder: Path) -> Iterator[tuple[str, Pixels]]:
    """Names and pixels of the pictures in a folder."""
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        sys.exit(f"no pictures in {folder}")
    for path in paths:
        with Image.open(path) as picture:
            yield path.name, np.asarray(picture.convert("RGB"))


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio of two 8-bit pictures, in dB."""
    return float(10 * np.log10(255**2 / max(np.square(a.astype(np.float64) - b).mean(), 1e-9)))


def four_levels(height: int, width: int) -> list[Object]:
    """Objects of three levels on a background: an ellipse in the middle, a wide one, two boxes."""
    y, x = np.mgrid[:height, :width] + 0.5

    def ellipse(cx: float, cy: float, rx: float, ry: float, level: int) -> Object:
        inside = ((x / width - cx) / rx) ** 2 + ((y / height - cy) / ry) ** 2 < 1
        rows, cols = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        box = (int(cols[0]), int(rows[0]), int(cols[-1] - cols[0] + 1), int(rows[-1] - rows[0] + 1))
        return Object("ellipse", box, level, mask=inside[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1])

    return [
        ellipse(0.45, 0.5, 0.16, 0.3, 0),
        ellipse(0.75, 0.6, 0.2, 0.15, 1),
        ellipse(0.2, 0.3, 0.1, 0.2, 2),
    ]


def median_of_five(work: Callable[[], object]) -> float:
    """Median of five runs in seconds, after one that warms up."""
    work()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def budget(args: argparse.Namespace) -> None:
    """Framing and mask bytes."""
    source = json.loads((args.coco / "instances.json").read_text())
    masks, framing = [], []
    for row in source["images"]:
        height, width = row["height"], row["width"]
        objects = load_objects(source, width, height, row["file_name"])
        # The budget is stated for 48x32 cells: the objects stretched to 768x512, on their side if upright.
        size = (768, 512) if width >= height else (512, 768)
        grouped = group_map(load_objects(source, *size, row["file_name"]), *size)
        masks.append(len(encode_map(grouped.labels, len(grouped.levels))))
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
        data = encode(noise, objects=objects, metadata=False)
        stream = parse(data)
        payloads = sum(len(g.payload or b"") for g in stream.groups) + len(stream.mask or b"")
        if len(stream.groups) == 4:
            framing.append(len(data) - payloads)
    print(f"{len(masks)} maps of 48x32 cells: mean {statistics.mean(masks):.1f} bytes, largest {max(masks)}")
    print(
        f"framing of the {len(framing)} streams with four groups: mean {statistics.mean(framing):.1f} bytes, "
        f"largest {max(framing)}"
    )


def speed(args: argparse.Namespace) -> None:
    """Times of NumPy and torch in the same run, against what is asked for; fails when one is missed."""
    picture = _picture(args)
    objects = four_levels(*picture.shape[:2])
    data = encode(picture, objects=objects, quality=32)
    cells = parse(data).labels
    late: list[str] = []

    def report(what: str, work: Callable[[], object], asked: float) -> float:
        seconds = median_of_five(work)
        print(f"{what:44s} {seconds:.3f} s, asked {asked:.3f}", flush=True)
        if seconds > asked:
            late.append(what)
        return seconds

    print(
        f"{picture.shape[1]}x{picture.shape[0]}, quality 32, {len(data)} bytes, four groups; median of five"
    )
    full = report("numpy decode", lambda: decode(data), 0.4)
    report("numpy encode", lambda: encode(picture, objects=objects), 1.5)
    share = float((cells == 1).mean())
    report(
        f"numpy decode L1, {share:.1%} of the cells",
        lambda: decode(data, levels=[0]),
        0.1 + 1.2 * share * full,
    )
    islands = np.full(cells.shape, 2, np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(20):
        y, x = rng.integers(cells.shape[0] - 2), rng.integers(cells.shape[1] - 2)
        islands[y : y + 3, x : x + 3] = 1
    scattered = code_map(picture, islands, (0, 3), 32)
    share = float((islands == 1).mean())
    full = median_of_five(lambda: decode(scattered))
    what = f"numpy decode L1 as 20 islands, {share:.1%}"
    report(what, lambda: decode(scattered, levels=[0]), 0.1 + 1.2 * share * full)
    try:
        from .runner import TorchRunner
    except ImportError:
        print("torch is not installed")
    else:
        runner = TorchRunner(args.device)
        report(f"torch decode on {args.device}", lambda: decode(data, runner=runner), 0.15)
    if late:
        sys.exit("slower than asked: " + ", ".join(late))


def _picture(args: argparse.Namespace) -> Pixels:
    if args.data:
        return next(p for _, p in photographs(args.data) if p.shape[:2] == (512, 768))
    y, x = np.mgrid[:512, :768] / 30.0
    waves = np.stack([128 + 80 * np.sin(x * (1 + k / 3)) * np.cos(y * (1 - k / 5)) for k in range(3)], -1)
    return np.clip(waves + np.random.default_rng(0).normal(0, 8, waves.shape), 0, 255).astype(np.uint8)


def code_map(picture: Pixels, labels: Pixels, levels: tuple[int, ...], quality: int) -> bytes:
    """Encode with a group map made elsewhere, without metadata."""
    groups = tuple(Group(k, level, quality) for k, level in enumerate(levels))
    model, encoder = load_model(1), load_encoder(1)
    sites = sites_of(labels, groups, range(len(groups)))
    latents = analyse(picture, sites, encoder)
    payloads = []
    for g in groups:
        own = sites.labels == g.index
        coder = GroupCoder(sites.take(np.flatnonzero(own)), model, quality)
        payloads.append(encode_group(latents[own], analyse_hyper(latents[own], coder, encoder), coder)[0])
    head = Head(picture.shape[1], picture.shape[0], 1, model.weights)
    return assemble(head, groups, payloads, labels)


def large(args: argparse.Namespace) -> None:
    """Peak memory of decoding 100 megapixels."""
    if args.decode:
        start = time.perf_counter()
        got = decode(Path(args.decode).read_bytes())
        seconds = time.perf_counter() - start
        # Not ru_maxrss, which a child inherits from the process that started it.
        status = Path("/proc/self/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) / 2**20
        print(f"decoded {got.pixels.size // 3} pixels in {seconds:.1f} s, peak {peak:.2f} GiB, asked 1")
        return
    picture = _picture(args)
    side = 10_000
    wide = np.tile(picture, (-(-side // picture.shape[0]), -(-side // picture.shape[1]), 1))[:side, :side]
    data = encode(wide, objects=[Object("middle", (2000, 3000, 5000, 4000), 0)], quality=args.quality)
    with tempfile.NamedTemporaryFile(suffix=".sdc") as file:
        Path(file.name).write_bytes(data)
        print(f"{len(data)} bytes, {len(data) * 8 / side**2:.3f} bpp", flush=True)
        subprocess.run(
            [sys.executable, "-m", "sdc_reference.bench", "large", "--decode", file.name], check=True
        )


def rate(args: argparse.Namespace) -> None:
    """Rate and PSNR per quality, mean over the pictures."""
    pictures = [p for _, p in photographs(args.data)]
    rows = []
    for quality in args.qualities:
        bpp, db = [], []
        for picture in pictures:
            data = encode(picture, quality=quality)
            bpp.append(len(data) * 8 / (picture.shape[0] * picture.shape[1]))
            db.append(psnr(decode(data).pixels, picture))
        rows.append(
            {"quality": quality, "bpp": round(statistics.mean(bpp), 4), "psnr": round(statistics.mean(db), 3)}
        )
        print(f"quality {quality:2d}  {rows[-1]['bpp']:.4f} bpp  {rows[-1]['psnr']:.2f} dB", flush=True)
    if args.csv:
        with args.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


PUBLISHED = {
    "JPEG": ((0.42, 28.04), (0.51, 29.04), (0.73, 30.90)),
    "WebP": ((0.234, 28.33), (0.353, 29.82), (0.513, 31.44)),
    "bmshj2018-hyperprior": ((0.131, 27.58), (0.209, 29.20), (0.320, 30.97), (0.478, 32.84)),
    "mbt2018-mean": ((0.124, 27.70), (0.198, 29.36), (0.307, 31.13), (0.461, 32.95), (0.662, 34.97)),
    "AV1 (libaom)": (
        (0.056, 25.56),
        (0.110, 27.56),
        (0.170, 29.02),
        (0.246, 30.44),
        (0.352, 31.99),
        (0.499, 33.65),
    ),
}
"""Published ``(bpp, PSNR in dB)`` on Kodak, mean of 24 pictures, read from CompressAI's tables."""


def rate_difference(ours: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]) -> float:
    """Mean relative difference of rate at equal PSNR, over the PSNR that both curves cover.

    The logarithm of the rate is joined by straight lines; nothing is extrapolated.  Less is better.

    Args:
        ours, other: points ``(bpp, PSNR in dB)`` by rising PSNR.
    """
    low = max(ours[0][1], other[0][1])
    high = min(ours[-1][1], other[-1][1])
    if high <= low:
        raise ValueError("the curves have no PSNR in common")
    at = np.linspace(low, high, 1001)
    logs = [np.interp(at, [d for _, d in c], np.log([b for b, _ in c])) for c in (ours, other)]
    return float(np.exp((logs[0] - logs[1]).mean()) - 1)


def compare(args: argparse.Namespace) -> None:
    """Rate against published figures, from a file of ``rate --csv``."""
    with args.csv.open(newline="") as file:
        ours = [(float(row["bpp"]), float(row["psnr"])) for row in csv.DictReader(file)]
    for name, other in PUBLISHED.items():
        print(f"{name:22s} {rate_difference(ours, other):+.1%} of its rate at equal PSNR")


def agree(args: argparse.Namespace) -> None:
    """Torch against NumPy: files written and bits decoded."""
    from .runner import TorchRunner

    runner = TorchRunner(args.device)
    same, equal, total = 0, 0, 0
    for _, picture in photographs(args.data):
        objects = four_levels(*picture.shape[:2])
        for quality in (8, 32, 56):
            a = encode(picture, objects=objects, quality=quality)
            b = encode(picture, objects=objects, quality=quality, runner=runner)
            same += a == b
            equal += np.array_equal(decode(a).pixels, decode(a, runner=runner).pixels)
            total += 1
    print(f"{total} files: {same} the same from NumPy and torch ({args.device}), {equal} decode alike")
    if equal != total:
        sys.exit("decoders disagree")


def independence(args: argparse.Namespace) -> None:
    """Four groups against one."""
    for quality in args.qualities:
        more, loss, bpps = [], [], []
        for _, picture in photographs(args.data):
            objects = four_levels(*picture.shape[:2])
            one, four = (
                encode(picture, quality=quality),
                encode(picture, objects=objects, quality=quality, metadata=False),
            )
            mask = len(parse(four).mask or b"")
            more.append((len(four) - mask) / len(one) - 1)
            loss.append(psnr(decode(one).pixels, picture) - psnr(decode(four).pixels, picture))
            bpps.append(len(one) * 8 / (picture.shape[0] * picture.shape[1]))
        print(
            f"quality {quality:2d}  {statistics.mean(bpps):.3f} bpp  four groups: "
            f"{statistics.mean(more):+.2%} bytes beyond the mask, {statistics.mean(loss):.3f} dB lost",
            flush=True,
        )


def parts(args: argparse.Namespace) -> None:
    """What context and hyperprior save."""
    model, encoder = load_model(1), load_encoder(1)

    class NoContext(GroupCoder):
        def parameters(self, k: int, band: Any, latents: Any, features: Any) -> Any:
            return super().parameters(k, band, np.zeros_like(latents), features)

    for quality in args.qualities:
        full, blind, flat = 0, 0, 0
        for _, picture in photographs(args.data):
            cells = np.ones((-(-picture.shape[0] // 16), -(-picture.shape[1] // 16)), np.uint8)
            sites = sites_of(cells, [Group(0, 3, quality)], [0])
            latents = analyse(picture, sites, encoder)
            coder = GroupCoder(sites, model, quality)
            hyper = analyse_hyper(latents, coder, encoder)
            full += len(encode_group(latents, hyper, coder)[0])
            blind += len(encode_group(latents, hyper, NoContext(sites, model, quality))[0])
            flat += len(encode_group(latents, np.zeros_like(hyper), coder)[0])
        print(
            f"quality {quality:2d}  without context {blind / full - 1:+.1%} bytes, "
            f"without hyper-latents {flat / full - 1:+.1%}",
            flush=True,
        )


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for work in (budget, speed, large, rate, compare, agree, independence, parts):
        sub = commands.add_parser(work.__name__, help=work.__doc__)
        sub.set_defaults(work=work)
        sub.add_argument("--data", type=Path, required=work in (rate, agree, independence, parts))
        sub.add_argument("--coco", type=Path, required=work is budget)
        sub.add_argument("--device", default="cpu")
        sub.add_argument("--quality", type=int, default=32)
        sub.add_argument("--qualities", type=int, nargs="+", default=list(QUALITIES))
        sub.add_argument("--csv", type=Path, required=work is compare)
        sub.add_argument("--decode", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.work(args)


if __name__ == "__main__":
    main()
