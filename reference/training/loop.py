"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sdc.errors import SdcError

from ..model.checkpoints import load_model
from ..model.layers import channels_last, set_integer
from ..model.reference import ReferenceModel
from ..model.widen import widened
from .batches import Batch, Batches, loaded
from .data import batch, examples_of, load_images
from .features import FeatureDistance, Seen
from .log import EVERY, Log, plot
from .loss import Distance, sample_loss
from .options import Options
from .revive import revive
from .state import RunState
from .stop import Stop

LONGEST_STEP = 5.0
"""Seconds that a step counts as at most: a paused process computes nothing."""


class CannotBegin(Exception):
    """A file that the run was told to begin with is of no use; the message says which and why."""


def train(options: Options) -> RunState:
    """Begin a run or go on with it, until its end or until it is stopped.

    Raises:
        CannotBegin: a file that it was told to begin with is of no use.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        images = load_images(options.data, max(options.size, options.late_size))
    except FileNotFoundError as error:
        raise CannotBegin(str(error)) from None
    state = begin(options, images)
    run = Run(options, state, images, _distance(options, images))
    parameters = sum(p.numel() for p in state.model.parameters())
    print(f"{len(images)} images, {parameters} parameters, from step {state.step}", flush=True)
    log = options.out / "log.csv"
    with Stop() as stop, Log(log, state.step) as rows:
        run.until(stop, rows)
    if stop.requested:
        print(f"stopped at step {state.step}; the same command goes on", flush=True)
    plot(log, log.with_suffix(".png"))
    return state


def begin(options: Options, images: Sequence[Tensor]) -> RunState:
    """The state that a run goes on from: that of its folder, of a model to start with, or a DCT.

    Raises:
        CannotBegin: a file is of no use.
    """
    torch.manual_seed(options.seed)
    last = options.out / "last.pt"
    try:
        model = ReferenceModel(options.sizes)
        if options.start and not last.exists():
            model = load_model(options.start)
            if model.sizes != options.sizes:
                model = widened(model, options.sizes, images)
        state = RunState.new(channels_last(model.to(options.device)), options.matrix_rate, options.rate)
        if last.exists():
            state.load(last)
    except (OSError, ValueError, SdcError) as error:
        raise CannotBegin(f"{last if last.exists() else options.start}: {error}") from None
    return state


def _distance(options: Options, images: Sequence[Tensor]) -> Distance | None:
    """The distance of features, if they count as distortion."""
    if not options.features:
        return None
    rng = np.random.default_rng(options.seed)
    examples, _ = batch(images, 4 * options.batch, options.size, rng)
    examples = examples.to(options.device)
    try:
        distances = [
            FeatureDistance(path, examples, options.feature_weight, options.feature_samples)
            for path in options.features
        ]
    except (OSError, ValueError) as error:
        raise CannotBegin(str(error)) from None
    return Seen(distances, options.grey_part)


@dataclass
class Run:
    """A run that computes.

    Attributes:
        options: what it was told.
        state: changes with every step.
        images: ``uint8 [3, H, W]``.
        seen: a further distance, or ``None``.
    """

    options: Options
    state: RunState
    images: Sequence[Tensor]
    seen: Distance | None = None

    def __post_init__(self) -> None:
        on_gpu = torch.device(self.options.device).type != "cpu"
        compiled = on_gpu if self.options.compile is None else self.options.compile
        model = self.state.model
        self._codec: Callable[..., dict[str, Tensor]] = torch.compile(model) if compiled else model

    def until(self, stop: Stop, log: Log) -> None:
        """Make steps to the end of the run, or until it is to stop, and save now and then and at the end."""
        state, schedule = self.state, self.options.schedule
        late, batches = False, self._batches(False)
        begun, saved, tick = state.step, time.monotonic(), time.monotonic()
        while not stop.requested and (part := schedule.part(state.step, state.seconds)) < 1:
            if schedule.late(part) != late:
                late, batches = True, self._batches(True)
            integer, rate = schedule.integer(part), schedule.rate(state.step, state.seconds)
            crops, cells, quality = next(batches)  # a loader that begins takes from torch's random numbers
            self._seed()
            self._revive(schedule.revivals(part))
            figures = self._step(crops, cells, quality, integer, rate)
            now = time.monotonic()
            state.seconds, tick = state.seconds + min(now - tick, LONGEST_STEP), now
            log.add(figures, crops.shape[0] * crops.shape[2] * crops.shape[3])
            if state.step % EVERY == 0:
                left = schedule.minutes_left(state.step, state.seconds)
                log.write(state.step, state.seconds, integer, rate, left)
            if now - saved > self.options.save_minutes * 60:
                saved = now
                state.save(self.options.out)
        if state.step > begun:
            state.save(self.options.out)

    def _batches(self, late: bool) -> Iterator[Batch]:
        """The batches from the step on that the run is at."""
        o = self.options
        samples, size = o.crops(late)
        own = Batches(self.images, samples, size, o.seed, self.state.step, o.fine_part)
        return loaded(own, o.workers, o.device)

    def _seed(self) -> None:
        """Noise, too, is a function of the seed and the step."""
        sequence = np.random.SeedSequence([self.options.seed, self.state.step])
        torch.manual_seed(int(sequence.generate_state(1)[0]))

    def _revive(self, times: int) -> None:
        """Let dead units start anew, if it is time."""
        if self.state.revived >= times:
            return
        self.state.revived = times
        size = max(self.options.size, self.options.late_size)
        examples = examples_of(self.images, size, self.options.device)
        count = revive(self.state.model, examples, self.state.average)
        print(f"{count} dead units start anew", flush=True)

    def _step(self, crops: Tensor, cells: Tensor, quality: Tensor, integer: bool, rate: float) -> Tensor:
        """One step; returns what :func:`.loss.sample_loss` says of it."""
        state, o = self.state, self.options
        set_integer(state.model, integer)
        state.set_rate(o.matrix_rate * rate, o.rate * rate)
        quality = quality.round() if integer else quality
        with torch.autocast(crops.device.type, torch.bfloat16, enabled=not integer):
            loss, figures = sample_loss(self._codec, crops, cells, quality, self.seen, o.distortion_factor)
        state.model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        state.update()
        return figures
