"""Rate against distortion, of SDC and of other codecs in the same run."""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sdc.codec.decoder import decode

from .codecs import PEERS
from .common import THREADS, bits_per_pixel, encoder_of, model_hash, ms_ssim, picture_paths, psnr, read
from .curves import draw
from .rows import Row, append_row, load_curves, load_rows, mean_of, save_rows

_read = functools.lru_cache(maxsize=32)(read)


@functools.cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Task:
    """A row to come: ``peer`` is one of ``PEERS``, or empty for SDC."""

    peer: str
    name: str
    version: str
    setting: float
    path: Path

    @property
    def key(self) -> tuple[str, ...]:
        """The key of its row."""
        return self.name, self.version, f"{self.setting:g}", self.path.name, _digest(self.path)


def measure(task: Task, args: argparse.Namespace) -> Row:
    """Code one picture with the model and effort of the command line."""
    picture = _read(task.path)
    if task.peer:
        data = PEERS[task.peer].encode(picture, task.setting)
        shown = PEERS[task.peer].decode(data)
    else:
        data = encoder_of(args)(picture, quality=int(task.setting))
        shown = decode(data).pixels
    similarity = ms_ssim(picture, shown)
    return Row(
        *task.key[:4],
        f"{bits_per_pixel(data, picture):.6f}",
        f"{psnr(shown, picture):.4f}",
        "" if similarity is None else f"{similarity:.6f}",
        task.key[4],
    )


def _tasks(args: argparse.Namespace) -> list[Task]:
    """Everything asked for, setting by setting."""
    name = "SDC" if args.effort is None else f"SDC effort {args.effort}"
    codecs = [("", name, f"model {model_hash(args.model)}", tuple(args.qualities))]
    for peer in args.peers:
        try:
            codecs.append((peer, PEERS[peer].name, PEERS[peer].version(), PEERS[peer].settings))
        except ImportError as error:
            print(f"{PEERS[peer].name} left out: {error}")
    for _, codec, version, _ in codecs:
        print(f"{codec}: {version}")
    paths = picture_paths(args.data)
    return [
        Task(peer, codec, version, setting, path)
        for peer, codec, version, settings in codecs
        for setting in settings
        for path in paths
    ]


def _measured(tasks: Sequence[Task], args: argparse.Namespace) -> Iterator[Row]:
    """Rows in the order of the tasks; of several processes each keeps to one thread."""
    work = functools.partial(measure, args=argparse.Namespace(model=args.model, effort=args.effort))
    if args.jobs == 1 or len(tasks) < 4:
        yield from map(work, tasks)
        return
    os.environ.update(dict.fromkeys(THREADS, "1"))
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, tasks)


def rate(args: argparse.Namespace) -> None:
    """Rate against PSNR and MS-SSIM, mean over the pictures, of SDC and of other codecs.

    A row that the file has is not measured again, so a run that was interrupted goes on.
    Rows of the codecs at hand with another version are dropped from the file.
    SDC's version is the hash of its model: after a change of the encoder's code, begin a new file.
    """
    _read.cache_clear()
    _digest.cache_clear()
    tasks = _tasks(args)
    if find_spec("pytorch_msssim") is None:
        print("MS-SSIM left out: pytorch-msssim is not installed")
    versions = {t.name: t.version for t in tasks}
    rows = [r for r in load_rows(args.csv) if versions.get(r.codec, r.version) == r.version]
    save_rows(args.csv, rows)
    known = {r.key: r for r in rows}
    found = _measured([t for t in tasks if t.key not in known], args)
    with args.csv.open("a", newline="") as file:
        for (name, setting), group in itertools.groupby(tasks, lambda t: (t.name, t.setting)):
            here = []
            for task in group:
                row = known.get(task.key)
                if row is None:
                    row = next(found)
                    append_row(file, row)
                here.append(row)
            bpp, db, similarity = mean_of(here)
            last = "" if similarity is None else f"  MS-SSIM {similarity:.2f} dB"
            print(f"{name:14s} {setting:4g}  {bpp:.4f} bpp  {db:.2f} dB{last}", flush=True)
    if args.plot:
        draw(*load_curves(args.csv), args.plot)
