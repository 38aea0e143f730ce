"""Train the reference model: ``python -m sdc_reference.train --data DIR --out DIR --minutes 90``.

The loss is ``lambda * squared error + bits`` per coded pixel, with a random quality and a
random group mask per sample.  Rate is estimated with additive noise, distortion with
straight-through rounding.  The last part of the run computes with the integers of
the exported model (fake quantisation).  A run is resumed from ``last.pt`` in its folder.
"""

from __future__ import annotations

import argparse
import copy
import csv
import math
import os
import queue
import threading
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import data
from .layers import set_integer
from .networks import LAMBDA_HIGH, LAMBDA_LOW, QUALITIES, Model, quality_to_lambda

LOG_FIELDS = ["step", "minutes", "phase", "rate", "loss", "bpp", "hyper_bpp", "psnr", "mpixel_s"]


def sample_loss(
    model: Model, crops: Tensor, cells: Tensor, quality: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Loss and figures of one batch.

    Args:
        model: the codec.
        crops: ``[B, 3, H, W]`` float 0..255.
        cells: ``[B, 1, H/16, W/16]`` float.
        quality: ``[B]`` float 0..63.
    """
    out = model(crops, quality, cells)
    mask = torch.nn.functional.interpolate(cells, scale_factor=16, mode="nearest")
    error = ((out["picture"].float() - crops) ** 2 * mask).sum((1, 2, 3)) / 3.0
    bits = out["bits"] + out["hyper_bits"]
    weight = (quality_to_lambda(quality) / math.sqrt(LAMBDA_LOW * LAMBDA_HIGH)) ** -0.35
    pixels = cells.sum() * 256.0
    loss = (weight * (quality_to_lambda(quality) * error + bits)).sum() / pixels
    with torch.no_grad():
        mse = float(error.sum() / pixels)
        figures = {
            "loss": float(loss),
            "bpp": float(bits.sum() / pixels),
            "hyper_bpp": float(out["hyper_bits"].sum() / pixels),
            "psnr": 10 * math.log10(255**2 / max(mse, 1e-9)),
        }
    return loss, figures


def learning_rate(peak: float, part: float) -> float:
    """Warm-up, a plateau to 55 % of the run, then a cosine to 1 % of the peak."""
    if part < 0.01:
        return peak * (0.1 + 90 * part)
    if part < 0.55:
        return peak
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (part - 0.55) / 0.45))))


def save(path: Path, state: dict) -> None:
    """Write a checkpoint whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of photographs")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and log")
    parser.add_argument(
        "--minutes", type=float, default=90.0, help="length of the whole run, all sessions together"
    )
    parser.add_argument("--steps", type=int, help="length of the whole run in steps, instead of minutes")
    parser.add_argument(
        "--integer-part", type=float, default=0.2, help="last part of the run, fake-quantised"
    )
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=192, help="side of a crop, a multiple of 64")
    parser.add_argument("--rate", type=float, default=8e-4, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--save-minutes", type=float, default=5.0)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    model = Model().to(args.device, memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    optimiser = torch.optim.Adam(model.parameters(), args.rate, betas=(0.9, 0.99))
    step, spent = 0, 0.0
    last = args.out / "last.pt"
    if last.exists():
        state = torch.load(last, map_location=args.device, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["seconds"]
    pictures = data.load_pictures(args.data, args.size)
    print(
        f"{len(pictures)} pictures, {sum(p.numel() for p in model.parameters())} parameters, from step {step}"
    )

    ready: queue.Queue = queue.Queue(8)
    rng = np.random.default_rng([args.seed, step])

    def feed() -> None:
        while True:
            ready.put(
                (*data.batch(pictures, args.batch, args.size, rng), rng.uniform(0, QUALITIES - 1, args.batch))
            )

    threading.Thread(target=feed, daemon=True).start()
    log_path = args.out / "log.csv"
    new_log = not log_path.exists()
    log_file = log_path.open("a", newline="")
    log = csv.DictWriter(log_file, LOG_FIELDS)
    if new_log:
        log.writeheader()
    total = args.minutes * 60

    def part_done() -> float:
        return step / args.steps if args.steps else spent / total

    started = saved = window = time.monotonic()
    sums: dict[str, float] = {}
    tick = started
    while (part := part_done()) < 1:
        integer = part >= 1 - args.integer_part
        set_integer(model, integer)
        rate = learning_rate(args.rate, part)
        for group in optimiser.param_groups:
            group["lr"] = rate
        crops, cells, quality = ready.get()
        picture = torch.from_numpy(crops).to(args.device).permute(0, 3, 1, 2).float()
        picture = picture.contiguous(memory_format=torch.channels_last)
        q = torch.from_numpy(quality.astype(np.float32)).to(args.device)
        q = q.round() if integer else q
        with torch.autocast(args.device, torch.bfloat16, enabled=not integer):
            loss, figures = sample_loss(model, picture, torch.from_numpy(cells).to(args.device), q)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if torch.isfinite(norm):
            optimiser.step()
        step += 1
        now = time.monotonic()
        spent, tick = spent + min(now - tick, 5.0), now  # a paused process spends nothing
        decay = min(0.999, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
        for key, value in figures.items():
            sums[key] = sums.get(key, 0.0) + value
        if step % 100 == 0:
            elapsed = time.monotonic() - window
            window = time.monotonic()
            row = {key: round(value / 100, 4) for key, value in sums.items()}
            sums = {}
            speed = 100 * args.batch * args.size**2 / elapsed / 1e6
            phase = "integer" if integer else "float"
            log.writerow(
                {
                    "step": step,
                    "minutes": round(spent / 60, 2),
                    "phase": phase,
                    "rate": f"{rate:.2e}",
                    "mpixel_s": round(speed, 2),
                    **row,
                }
            )
            log_file.flush()
            left = spent / 60 * (1 / part_done() - 1)
            print(
                f"step {step} {phase} loss {row['loss']} bpp {row['bpp']} (hyper {row['hyper_bpp']}) "
                f"PSNR {row['psnr']} {speed:.2f} Mpixel/s {left:.0f} min left",
                flush=True,
            )
        if time.monotonic() - saved > args.save_minutes * 60 or part_done() >= 1:
            saved = time.monotonic()
            save(
                last,
                {
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step,
                    "seconds": spent,
                },
            )


if __name__ == "__main__":
    main()
