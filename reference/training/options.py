"""Options of a run, from the command line and a TOML file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..model.sizes import Sizes
from .schedule import Schedule

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DESCRIPTION = """Train the reference model: python -m sdc_reference.training --data DIR --out DIR

A run goes on until it is stopped, or has a length (--steps, --minutes).
SIGTERM and SIGINT (Ctrl-C) stop it after the step that it is at; the same command goes on from there.

Its folder gets
  last.pt              all that the run needs to go on
  weights.safetensors  averaged weights in half precision, from which --start begins another run
  log.csv, log.png     how it goes; the plot with matplotlib only

Every option may stand in a TOML file instead (--config), under its name with _ for -; the table [sizes] there
sets sdc_reference.model.sizes.Sizes.  The command line wins.
"""

LATE = 0.2
"""Part of a run of some length after which the rate falls, unless it is told another."""


@dataclass
class Options:
    """What a run is told.

    Attributes:
        data: folders of photographs.
        out: folder of the run.
        schedule: its length, and what happens when.
        sizes: of the model.
        start: a model that a new run begins with.
        batch, size, late_size: crops of a batch, their side, and their side once the rate falls; a batch of
            those has as many pixels.
        matrix_rate, rate: peak learning rates of Muon and of Adam.
        features, feature_weight: weights of networks whose features count as distortion, and how much.
        feature_samples: crops of a batch that a vision transformer compares, or ``None`` for all.
        grey_part: part of the samples whose features are taken with grey around the group.
        distortion_factor: on all distortion, at the lowest and at the highest quality.
        fine_part: part of the samples that is drawn from high qualities alone.
        seed: of crops, groups, qualities and noise.
        device, compile: where and whether compiled by torch; ``None``: on GPUs.
        threads: of torch, or ``None`` for torch's own number.
        workers: processes that make batches, or 0.
        save_minutes: between checkpoints.
    """

    data: list[Path]
    out: Path
    schedule: Schedule = field(default_factory=Schedule)
    sizes: Sizes = field(default_factory=Sizes)
    start: Path | None = None
    batch: int = 8
    size: int = 192
    late_size: int = 256
    matrix_rate: float = 4e-3
    rate: float = 7e-4
    features: Sequence[Path] = ()
    feature_weight: float = 300.0
    feature_samples: int | None = None
    grey_part: float = 0.0
    distortion_factor: Sequence[float] = (1.0, 1.0)
    fine_part: float = 0.0
    seed: int = 1
    device: str = "cpu"
    compile: bool | None = None
    threads: int | None = None
    workers: int = 0
    save_minutes: float = 5.0

    def crops(self, late: bool) -> tuple[int, int]:
        """How many crops a batch has, and their side."""
        if not late:
            return self.batch, self.size
        return max(1, round(self.batch * (self.size / self.late_size) ** 2)), self.late_size


def arguments(argv: Sequence[str] | None) -> Options:
    """Options of the command line and of the file that it names.

    Raises:
        SystemExit: an option is unknown, missing or makes no sense.
    """
    parser = _parser()
    config = parser.parse_args(argv).config
    if config:
        parser.set_defaults(**_read_config(parser, config))
    args = vars(parser.parse_args(argv))
    if not args["data"] or not args["out"]:
        parser.error("--data and --out are needed")
    if args["size"] % 64 or args["late_size"] % 64:
        parser.error("sides of crops must be multiples of 64")
    if not 0 <= args["fine_part"] <= 1:
        parser.error("--fine-part is a part of the samples, 0 to 1")
    args["distortion_factor"] = _factors(parser, args["distortion_factor"])
    try:
        args["sizes"] = Sizes(**args["sizes"])
    except TypeError as error:
        parser.error(f"{config}: [sizes]: {error}")
    schedule = _schedule(parser, args)
    given = {name: args[name] for name in Options.__dataclass_fields__ if name != "schedule"}
    return Options(schedule=schedule, **given)


def _factors(parser: argparse.ArgumentParser, given: float | Sequence[float]) -> tuple[float, float]:
    """The factors at the lowest and the highest quality, of one or two numbers."""
    both = [given] if isinstance(given, float | int) else list(given)
    if len(both) not in (1, 2) or not all(type(n) in (int, float) and n > 0 for n in both):
        parser.error("--distortion-factor takes one or two numbers above 0")
    return float(both[0]), float(both[-1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sdc_reference.training",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--config", type=Path, help="TOML file of options")
    add("--data", type=Path, nargs="+", help="folders of photographs; every image below them is taken")
    add("--out", type=Path, help="folder of checkpoints and log")
    add(
        "--start",
        type=Path,
        help="last.pt, weights.safetensors or a shipped model that a new run begins with, widened to [sizes]",
    )
    _add_schedule(parser.add_argument_group("length and schedule"))
    _add_loss(parser.add_argument_group("samples and loss"))
    machine = parser.add_argument_group("machine").add_argument
    machine("--device", default="cpu", help="cpu, cuda or another device of torch")
    machine("--compile", action=argparse.BooleanOptionalAction, help="torch.compile; default: on GPUs only")
    machine("--threads", type=int, help="threads of torch; default: torch's own")
    machine("--workers", type=int, default=0, help="processes that make batches; 0: training itself")
    machine("--save-minutes", type=float, default=5.0, help="minutes between checkpoints")
    parser.set_defaults(sizes={})
    return parser


def _add_schedule(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--minutes", type=float, help="minutes of computing, all sessions together; default: until stopped")
    add("--steps", type=int, help="length in steps, instead of minutes")
    add(
        "--plateau",
        type=float,
        help="part of the run after which the learning rate falls and crops grow: 0 at once, 1 never; "
        f"default: {LATE}, of a run without a length 1",
    )
    add("--integer-part", type=float, default=0.0, help="last part of the run, fake-quantised")
    add(
        "--revive",
        type=float,
        nargs="*",
        default=[],
        help="parts of the run, from 0, at which dead units start anew",
    )
    add("--matrix-rate", type=float, default=4e-3, help="peak learning rate of Muon")
    add("--rate", type=float, default=7e-4, help="peak learning rate of Adam")


def _add_loss(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--batch", type=int, default=8, help="crops of a step")
    add("--size", type=int, default=192, help="side of a crop, a multiple of 64")
    add("--late-size", type=int, default=256, help="the same once the rate falls")
    add("--seed", type=int, default=1)
    add(
        "--fine-part",
        type=float,
        default=0.0,
        help="part of the samples with qualities of more than 34 dB; the others have any quality",
    )
    add(
        "--features",
        type=Path,
        nargs="+",
        default=[],
        help="weights of MobileNetV2 or of a vision transformer: their features count as distortion too, "
        "those of one of several, drawn anew, in each step",
    )
    add("--feature-weight", type=float, default=300.0, help="squared error that a variance of them equals")
    add(
        "--feature-samples",
        type=int,
        help="crops of a step that a vision transformer, which takes long, compares; default: all",
    )
    add(
        "--grey-part",
        type=float,
        default=0.0,
        help="part of the samples whose features are taken with grey around the group, not the image",
    )
    add(
        "--distortion-factor",
        type=float,
        nargs="+",
        default=[1.0],
        metavar=("LOW", "HIGH"),
        help="on all distortion, at all qualities or from 0 to 63 in a geometric series: below 1 a quality "
        "has fewer bits",
    )


def _read_config(parser: argparse.ArgumentParser, path: Path) -> dict[str, Any]:
    """Options of a TOML file, with paths as paths."""
    try:
        options = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        parser.error(f"{path}: {error}")
    known = {action.dest for action in parser._actions} - {"help", "config"} | {"sizes"}
    for key, value in options.items():
        if key not in known:
            parser.error(f"{path}: no option {key}")
        if key in ("out", "start"):
            options[key] = Path(value)
        elif key in ("data", "features"):
            options[key] = [Path(v) for v in ([value] if isinstance(value, str) else value)]
    return options


def _schedule(parser: argparse.ArgumentParser, args: Mapping[str, Any]) -> Schedule:
    endless = args["steps"] is None and args["minutes"] is None
    revive = sorted([args["revive"]] if isinstance(args["revive"], float) else args["revive"])
    if not all(0 <= p < 1 for p in revive):
        parser.error("--revive takes parts of the run, 0 to below 1")
    plateau = args["plateau"]
    if plateau is None:
        plateau = 1.0 if endless else LATE
    if endless and (plateau < 1 or args["integer_part"] or revive):
        parser.error("--plateau, --integer-part and --revive are parts of a run: give --steps or --minutes")
    return Schedule(args["steps"], args["minutes"], plateau, args["integer_part"], revive)
