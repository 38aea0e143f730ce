"""The log of a run: ``log.csv``, a line on the terminal, and a plot."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path
from types import TracebackType

import numpy as np
from torch import Tensor

FIELDS = ["step", "minutes", "phase", "rate", "loss", "bpp", "hyper_bpp", "psnr", "mpixel_s"]

EVERY = 100
"""Steps that a row is the mean of."""


class Log:
    """Rows of means over :data:`EVERY` steps.

    Args:
        path: of the file, which is continued; rows behind ``step`` are of steps that were lost, and dropped.
        step: that the run is at.
    """

    def __init__(self, path: Path, step: int):
        rows = [row for row in read_log(path) if int(row["step"]) <= step] if path.exists() else []
        self._file = path.open("w", newline="")
        self._writer = csv.DictWriter(self._file, FIELDS)
        self._writer.writeheader()
        self._writer.writerows(rows)
        self._file.flush()
        self._begin()

    def _begin(self) -> None:
        self._sums: Tensor | None = None
        self._steps = self._pixels = 0
        self._since = time.monotonic()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, figures: Tensor, pixels: int) -> None:
        """Note a step.

        Args:
            figures: ``[loss, bits, bits of hyper-latents, squared error]``, per coded pixel.
            pixels: of its crops.
        """
        self._sums = figures if self._sums is None else self._sums + figures
        self._steps += 1
        self._pixels += pixels

    def write(self, step: int, seconds: float, integer: bool, rate: float, left: float | None) -> None:
        """Write a row of the steps since the last one, and show it.

        Args:
            step, seconds: of the run.
            integer: whether it computes with integers.
            rate: part of the peak learning rate.
            left: minutes to the end, if it has one.
        """
        if self._sums is None:
            return
        loss, bpp, hyper_bpp, error = (self._sums / self._steps).tolist()
        row = {
            "step": step,
            "minutes": round(seconds / 60, 2),
            "phase": "integer" if integer else "float",
            "rate": f"{rate:.4f}",
            "loss": round(loss, 4),
            "bpp": round(bpp, 4),
            "hyper_bpp": round(hyper_bpp, 4),
            "psnr": round(10 * math.log10(255**2 / max(error, 1e-9)), 3),
            "mpixel_s": round(self._pixels / (time.monotonic() - self._since) / 1e6, 2),
        }
        self._writer.writerow(row)
        self._file.flush()
        self._begin()
        to_go = "" if left is None else f" {left:.0f} min left"
        print(
            f"step {step} {row['phase']} loss {row['loss']} bpp {row['bpp']} (hyper {row['hyper_bpp']}) "
            f"PSNR {row['psnr']} {row['mpixel_s']} Mpixel/s{to_go}",
            flush=True,
        )


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows of a log."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def plot(path: Path, out: Path) -> None:
    """Draw a log: loss, bits per pixel and PSNR over steps; nothing without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    rows = read_log(path)
    if not rows:
        return
    steps = [int(r["step"]) for r in rows]
    figure = Figure(figsize=(8, 8), layout="constrained")
    axes = figure.subplots(3, sharex=True)
    labels = {"loss": "loss", "bpp": "bits per pixel", "psnr": "PSNR (dB)"}
    for axis, (key, label) in zip(axes, labels.items(), strict=True):
        values = np.array([float(r[key]) for r in rows])
        span = min(len(values), 9)
        axis.plot(steps, values, alpha=0.3)
        axis.plot(steps[span - 1 :], np.convolve(values, np.ones(span) / span, "valid"))
        axis.set_ylabel(label)
        integer = [s for s, r in zip(steps, rows, strict=True) if r["phase"] == "integer"]
        if integer:
            axis.axvline(integer[0], linestyle=":", color="grey")
    axes[-1].set_xlabel("step; after the dotted line with the arithmetic of integers")
    figure.savefig(out)
