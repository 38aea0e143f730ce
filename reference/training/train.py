"""Train the reference model: ``python -m sdc_reference.training.train --data DIR --out DIR --minutes 90``.

The loss is ``lambda * squared error + bits`` per coded pixel, with a random quality and a
random group mask per sample.  Rate is estimated with additive noise, distortion with
straight-through rounding.  The last part of a run may compute with integers (``--integer-part``, fake
quantisation with weights rounded one by one), of which an export that scales channels and rounds weights
together has no need.  A run is resumed from ``last.pt`` in its folder, where
it also writes ``log.csv`` and, with matplotlib, a plot of it, and ``weights.safetensors``: averaged weights
in half precision, from which ``--start`` begins another run, as it does from a shipped model file.

Every option may stand in a TOML file instead (``--config``), under its name with ``_`` for ``-``;
the table ``[sizes]`` there sets :class:`~sdc_reference.model.networks.Sizes`.  The command line wins.
"""

from __future__ import annotations

import argparse
import copy
import csv
import dataclasses
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tomli as tomllib
import torch
from torch import Tensor

from sdc.networks.profile import QUALITIES

from ..export.shipped import load_shipped, save_half
from ..model.layers import set_integer
from ..model.networks import LAMBDA_HIGH, LAMBDA_LOW, Model, Sizes, quality_to_lambda
from ..model.widen import widened
from . import data
from .features import FeatureDistance
from .optim import Muon
from .revive import revive

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


LOG_FIELDS = ["step", "minutes", "phase", "rate", "loss", "bpp", "hyper_bpp", "psnr", "mpixel_s"]
LOG_STEPS = 100
DCT_LAYERS = {"analysis.first.weight", "synthesis.last.weight"}


def sample_loss(
    model: torch.nn.Module,
    crops: Tensor,
    cells: Tensor,
    quality: Tensor,
    seen: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    factor: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Loss of one batch, and what the log wants to know.

    Args:
        model: the codec.
        crops: ``uint8 [B, 3, H, W]``.
        cells: ``[B, 1, H/16, W/16]`` float.
        quality: ``[B]`` float 0..63.
        seen: a further distance of pictures as a sum over the pixels of a mask, in squared 8-bit units.
        factor: on all distortion.

    Returns:
        ``(loss, [loss, bits, bits of hyper-latents, squared error])``, per coded pixel.
    """
    picture = crops.float().contiguous(memory_format=torch.channels_last)
    out = model(picture, quality, cells)
    mask = torch.nn.functional.interpolate(cells, scale_factor=16, mode="nearest")
    error = ((out["picture"].float() - picture) ** 2 * mask).sum((1, 2, 3)) / 3.0
    bits = out["bits"] + out["hyper_bits"]
    distortion = error if seen is None else error + seen(picture, out["picture"].float(), mask)
    weight = (quality_to_lambda(quality) / math.sqrt(LAMBDA_LOW * LAMBDA_HIGH)) ** -0.35
    pixels = cells.sum() * 256.0
    loss = (weight * (quality_to_lambda(quality) * factor * distortion + bits)).sum() / pixels
    parts = torch.stack([bits.sum(), out["hyper_bits"].sum(), error.sum()]) / pixels
    return loss, torch.cat([loss[None], parts]).detach()


def learning_rate(part: float, plateau: float = 0.2) -> float:
    """Part of the peak rate at a part of the run: warm-up, a plateau, then a straight line to 1 %.

    Args:
        part: of the run, 0 to 1.
        plateau: part of the run after which the rate falls; with 1 it never does.
    """
    if part < 0.01:
        return 0.1 + 90 * part
    return 1.0 if part < plateau else max(0.01, (1 - part) / (1 - plateau))


def optimisers_of(model: Model, matrix_rate: float, rate: float) -> tuple[Muon, torch.optim.Adam]:
    """Muon for the matrices of hidden layers, Adam for the rest."""
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        # The first and last layers start as a DCT, whose rows differ in size for a reason.
        hidden = parameter.dim() == 4 and parameter.shape[1] > 1 and name not in DCT_LAYERS
        (matrices if hidden else others).append(parameter)
    return Muon(matrices, matrix_rate), torch.optim.Adam(others, rate, betas=(0.9, 0.99))


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load_model(path: Path, device: str = "cpu") -> Model:
    """The model of a checkpoint with its averaged weights, or of a shipped model file.

    Args:
        path: ``last.pt`` of a run, weights in half precision of one (``weights.safetensors``), or a decoder's
            model file with the encoder's beside it.
        device: where the model is to be.
    """
    if path.suffix == ".safetensors":
        return load_shipped(path).to(device)
    state = torch.load(path, map_location=device, weights_only=True)
    model = Model(Sizes(**state["sizes"])).to(device)
    model.load_state_dict(state["average"])
    return model


def plot(log: Path, out: Path) -> None:
    """Draw a log: loss, bits per pixel and PSNR over steps; nothing without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
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


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Options of the command line and of the file that it names.

    Raises:
        SystemExit: an option is unknown or missing.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, help="TOML file of options")
    parser.add_argument("--data", type=Path, nargs="+", help="folders of photographs")
    parser.add_argument("--out", type=Path, help="folder of checkpoints and log")
    parser.add_argument(
        "--minutes", type=float, default=90.0, help="length of the whole run, all sessions together"
    )
    parser.add_argument("--steps", type=int, help="length of the whole run in steps, instead of minutes")
    parser.add_argument(
        "--integer-part", type=float, default=0.0, help="last part of the run, fake-quantised"
    )
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=192, help="side of a crop, a multiple of 64")
    parser.add_argument("--late-size", type=int, default=256, help="the same once the rate falls")
    parser.add_argument("--matrix-rate", type=float, default=4e-3, help="peak learning rate of Muon")
    parser.add_argument("--rate", type=float, default=7e-4, help="peak learning rate of Adam")
    parser.add_argument(
        "--features", type=Path, help="weights of MobileNetV2: its features count as distortion too"
    )
    parser.add_argument(
        "--feature-weight", type=float, default=300.0, help="squared error that a variance of them equals"
    )
    parser.add_argument(
        "--distortion-factor",
        type=float,
        default=1.0,
        help="below 1 a quality has fewer bits: with features about as many as without them",
    )
    parser.add_argument(
        "--revive",
        type=float,
        nargs="*",
        default=[],
        help="parts of the run, from 0, at which dead units start anew",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, help="torch.compile; default: on GPUs only"
    )
    parser.add_argument(
        "--plateau",
        type=float,
        default=0.2,
        help="part of the run after which the learning rate falls and crops grow; 1: never",
    )
    parser.add_argument("--threads", type=int, help="threads of torch; default: torch's own")
    parser.add_argument(
        "--start",
        type=Path,
        help="last.pt, weights.safetensors or a shipped model that a new run begins with, widened to [sizes]",
    )
    parser.add_argument("--save-minutes", type=float, default=5.0)
    parser.set_defaults(sizes={})
    first = parser.parse_args(argv)
    if first.config:
        try:
            options = tomllib.loads(first.config.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            parser.error(f"{first.config}: {error}")
        for key, value in options.items():
            if key not in vars(first) or key == "config":
                parser.error(f"{first.config}: no option {key}")
            if key in ("out", "start", "features"):
                options[key] = Path(value)
            elif key == "data":
                options[key] = [Path(v) for v in ([value] if isinstance(value, str) else value)]
        parser.set_defaults(**options)
    args = parser.parse_args(argv)
    if not args.data or not args.out:
        parser.error("--data and --out are needed")
    args.revive = sorted([args.revive] if isinstance(args.revive, float) else args.revive)
    if not all(0 <= p < 1 for p in args.revive):
        parser.error("--revive takes parts of the run, 0 to below 1")
    if args.size % 64 or args.late_size % 64:
        parser.error("sides of crops must be multiples of 64")
    try:
        args.sizes = Sizes(**args.sizes)
    except TypeError as error:
        parser.error(f"{args.config}: [sizes]: {error}")
    return args


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    args = arguments(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    model = Model(args.sizes).to(args.device, memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    optimisers = optimisers_of(model, args.matrix_rate, args.rate)
    step, spent, revived = 0, 0.0, 0
    last = args.out / "last.pt"
    if last.exists():
        state = torch.load(last, map_location=args.device, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        for optimiser, saved_state in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved_state)
        step, spent, revived = state["step"], state["seconds"], state["revived"]
    pictures = data.load_pictures(args.data, max(args.size, args.late_size), args.device)
    if args.start and not last.exists():
        old = load_model(args.start)
        if old.sizes != args.sizes:
            try:
                old = widened(old, args.sizes, [p.cpu() for p in pictures])
            except ValueError as error:
                sys.exit(f"{args.start}: {error}")
        model.load_state_dict(old.state_dict())
        average.load_state_dict(old.state_dict())
    parameters = list(model.parameters())
    print(f"{len(pictures)} pictures, {sum(p.numel() for p in parameters)} parameters, from step {step}")
    on_gpu = torch.device(args.device).type != "cpu"
    compiled = args.compile if args.compile is not None else on_gpu
    codec = torch.compile(model) if compiled else model
    total = args.minutes * 60

    def part_done() -> float:
        return step / args.steps if args.steps else spent / total

    ready: queue.Queue[tuple[Tensor, Tensor, Tensor]] = queue.Queue(8)
    rng = np.random.default_rng([args.seed, step])
    seen = None
    if args.features:
        examples, _ = data.batch(pictures, 4 * args.batch, args.size, np.random.default_rng(args.seed))
        try:
            seen = FeatureDistance(args.features, examples, args.feature_weight)
        except (OSError, ValueError) as error:
            sys.exit(str(error))

    def feed() -> None:
        torch.set_num_threads(1)  # more would wait, spinning, for the processors that training uses
        while True:
            size, count = args.size, args.batch
            if part_done() >= args.plateau:
                size, count = args.late_size, max(1, round(args.batch * (args.size / args.late_size) ** 2))
            quality = torch.from_numpy(rng.uniform(0, QUALITIES - 1, count).astype(np.float32))
            ready.put((*data.batch(pictures, count, size, rng), quality.to(args.device)))

    threading.Thread(target=feed, daemon=True).start()
    log_path = args.out / "log.csv"
    new_log = not log_path.exists()
    with log_path.open("a", newline="") as log_file:
        log = csv.DictWriter(log_file, LOG_FIELDS)
        if new_log:
            log.writeheader()
        saved = window = tick = time.monotonic()
        sums = torch.zeros(4, device=args.device)
        steps = pixels = 0
        while (part := part_done()) < 1:
            integer = part >= 1 - args.integer_part
            set_integer(model, integer)
            if revived < len(args.revive) and part >= args.revive[revived]:
                revived += 1
                examples = data.examples_of(pictures, max(args.size, args.late_size))
                print(f"{revive(model, examples, average)} dead units start anew", flush=True)
            rate = learning_rate(part, args.plateau)
            for optimiser, peak in zip(optimisers, (args.matrix_rate, args.rate), strict=True):
                optimiser.param_groups[0]["lr"] = peak * rate
            crops, cells, quality = ready.get()
            quality = quality.round() if integer else quality
            with torch.autocast(model.log_step.device.type, torch.bfloat16, enabled=not integer):
                loss, figures = sample_loss(codec, crops, cells, quality, seen, args.distortion_factor)
            model.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            if torch.isfinite(norm):
                for optimiser in optimisers:
                    optimiser.step()
            step += 1
            now = time.monotonic()
            spent, tick = spent + min(now - tick, 5.0), now  # a paused process spends nothing
            decay = min(0.999, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), parameters, 1 - decay)
            sums += figures
            steps += 1
            pixels += crops.shape[0] * crops.shape[2] * crops.shape[3]
            if step % LOG_STEPS == 0:
                elapsed, window = now - window, now
                loss_now, bpp, hyper_bpp, error = (sums / steps).tolist()
                row = {
                    "step": step,
                    "minutes": round(spent / 60, 2),
                    "phase": "integer" if integer else "float",
                    "rate": f"{rate:.4f}",
                    "loss": round(loss_now, 4),
                    "bpp": round(bpp, 4),
                    "hyper_bpp": round(hyper_bpp, 4),
                    "psnr": round(10 * math.log10(255**2 / max(error, 1e-9)), 3),
                    "mpixel_s": round(pixels / elapsed / 1e6, 2),
                }
                sums.zero_()
                steps = pixels = 0
                log.writerow(row)
                log_file.flush()
                print(
                    f"step {step} {row['phase']} loss {row['loss']} bpp {row['bpp']} "
                    f"(hyper {row['hyper_bpp']}) PSNR {row['psnr']} {row['mpixel_s']} Mpixel/s "
                    f"{spent / 60 * (1 / part_done() - 1):.0f} min left",
                    flush=True,
                )
            if now - saved > args.save_minutes * 60 or part_done() >= 1:
                saved = now
                save(
                    last,
                    {
                        "sizes": dataclasses.asdict(model.sizes),
                        "model": model.state_dict(),
                        "average": average.state_dict(),
                        "optimisers": [o.state_dict() for o in optimisers],
                        "step": step,
                        "seconds": spent,
                        "revived": revived,
                    },
                )
                save_half(args.out / "weights.safetensors", average)
    plot(log_path, args.out / "log.png")


if __name__ == "__main__":
    main()
