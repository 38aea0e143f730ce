"""The torch codec: same bits as NumPy, and training that computes what decoders will."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as skimage_data

import sdc
from sdc.codec.decoder import decode
from sdc.codec.encoder import encode
from sdc.codec.transforms import analysis_transform, hyper_analysis
from sdc.coding.passes import GroupCoder, encode_group, sites_of
from sdc.format.grps import Group
from sdc.format.parse import parse
from sdc.networks.model import ENCODER_NETWORKS, Model, parse_model
from sdc.networks.network import check_network, networks_of
from sdc.networks.operators import Unshuffle
from sdc.networks.profile import BOUND
from sdc.networks.registry import PRIVATE, load_encoder, load_model
from sdc.networks.run import run
from sdc.networks.sites import Sites
from sdc.networks.tensors import read_tensors, write_tensors
from sdc.objects.object import Object
from sdc.testing.streams import random_stream
from sdc.types import Level
from sdc_reference.export import command as export
from sdc_reference.export import symbols
from sdc_reference.export.decoder import decoder_file
from sdc_reference.export.encoder import encoder_file
from sdc_reference.export.equalise import edges, equalise
from sdc_reference.export.rounding import means_of, round_weights, rounded, settle_means
from sdc_reference.model import checkpoints
from sdc_reference.model.layers import Format, Pointwise, set_integer
from sdc_reference.model.reference import ReferenceModel, watched
from sdc_reference.model.sizes import Sizes
from sdc_reference.model.widen import widened
from sdc_reference.runner import InexactDevice, TorchRunner
from sdc_reference.training import command as training
from sdc_reference.training import data, log
from sdc_reference.training.batches import Batches, loaded
from sdc_reference.training.features import FeatureDistance, MobileNet, Seen
from sdc_reference.training.loss import sample_loss
from sdc_reference.training.optim import Muon
from sdc_reference.training.options import arguments
from sdc_reference.training.revive import revive
from sdc_reference.training.schedule import WARM_UP_STEPS, Schedule, learning_rate
from sdc_reference.training.state import RunState
from sdc_reference.training.transformer import VisionTransformer

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SMALL = Sizes(channels=32, latents=24, hyper=8, features=16, wide=32, analysis_blocks=1, synthesis_blocks=2)
DEEPER: dict[str, Any] = {
    "analysis_blocks": 2,
    "analysis_quality": True,
    "latent_quality": True,
    "synthesis_quality": True,
}


@pytest.fixture(scope="module", params=DEVICES)
def runner(request: pytest.FixtureRequest) -> TorchRunner:
    return TorchRunner(request.param)


def picture(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 25.0
    waves = [128 + 100 * np.sin(x * (1 + k / 2)) * np.cos(y * (1 + k)) for k in range(3)]
    noise = np.random.default_rng(1).normal(0, 6, (height, width, 3))
    return np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("arithmetic", ["float32", "float64", "int64"])
def test_torch_decodes_random_streams_to_the_same_bits(runner: TorchRunner, arithmetic: str) -> None:
    if runner.device.type == "cuda" and arithmetic == "int64":
        arithmetic = "float64"  # no integer products on that device
    for seed in range(12):
        stream = random_stream(seed).data
        assert np.array_equal(
            decode(stream, runner=runner, arithmetic=arithmetic).pixels, decode(stream).pixels
        )


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("arithmetic", ["float32", "float64"])
def test_torch_decodes_every_subset_to_the_same_bits(
    runner: TorchRunner, arithmetic: str, threads: int
) -> None:
    objects = [
        Object("a", (0, 0, 60, 60), "L1"),
        Object("b", (50, 50, 60, 60), "L2"),
        Object("c", (120, 0, 30, 90), "L3"),
    ]
    stream = encode(picture(112, 160), objects=objects, quality=36)
    assert len(parse(stream).groups) == 4
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for bits in range(1, 16):
            chosen = [k for k in range(4) if bits >> k & 1]
            got = decode(stream, groups=chosen, runner=runner, arithmetic=arithmetic)
            want = decode(stream, groups=chosen)
            assert np.array_equal(got.pixels, want.pixels) and np.array_equal(got.covered, want.covered)
    finally:
        torch.set_num_threads(before)


def test_torch_encodes_the_same_file(runner: TorchRunner) -> None:
    objects = [Object("a", (20, 20, 70, 60), "L1")]
    assert encode(picture(100, 130), objects=objects, runner=runner) == encode(
        picture(100, 130), objects=objects
    )


def test_a_device_that_rounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    product = torch.Tensor.__matmul__
    monkeypatch.setattr(
        torch.Tensor, "__matmul__", lambda a, b: product(a.bfloat16(), b.bfloat16()).to(a.dtype), raising=True
    )
    with pytest.raises(InexactDevice):
        TorchRunner("cpu")


def small_model(**sizes: Any) -> ReferenceModel:
    """A model with weights as after some training: nothing is zero or on a grid."""
    torch.manual_seed(3)
    model = ReferenceModel(dataclasses.replace(SMALL, **sizes))
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 4:
                p.add_(torch.randn_like(p) * 0.05)
            elif p is not model.synthesis.last.bias:
                p.add_(torch.randn_like(p) * 0.02)
    return model


@torch.no_grad()
def test_integer_mode_is_the_exported_model() -> None:
    """Fake-quantised layers yield exactly the numbers of the exported integer networks."""
    model = small_model(**DEEPER)
    exported = parse_model(decoder_file(model, "test"), 9)
    set_integer(model, True)
    g = torch.Generator().manual_seed(5)
    rows, cols = (a.reshape(-1) for a in np.mgrid[:8, :8])
    inside = torch.rand((1, 1, 8, 8), generator=g) < 0.7
    sites = Sites(rows, cols, inside.reshape(-1).numpy().astype(np.int64), np.full(64, 41))
    own = sites.labels == 1
    cells = inside.float()
    known = torch.randint(-2048, 2048, (1, SMALL.latents, 8, 8), generator=g).float() * cells
    flat = known[0].permute(1, 2, 0).reshape(64, -1).numpy().astype(np.int16)
    quality = torch.tensor([41.0])

    fine = torch.nn.functional.interpolate(cells, scale_factor=2)
    want = model.synthesis(known / 64, quality, fine)[0].permute(1, 2, 0).numpy()
    got = run(exported.networks["synthesis"], sites, flat).reshape(8, 8, 2, 2, 8, 8, 3)
    got = got.transpose(0, 2, 4, 1, 3, 5, 6).reshape(128, 128, 3)
    where = np.kron(own.reshape(8, 8), np.ones((16, 16), bool))
    assert np.array_equal(got[where], want[where])

    code = torch.randint(-300, 300, (1, SMALL.hyper, 2, 2), generator=g).float()
    features = model.hyper.synthesis_transform(code / 64, quality)
    zeros = np.zeros(4, np.int64)
    vectors = code[0].permute(1, 2, 0).reshape(4, -1).numpy()
    spread = run(exported.networks["hyper"], Sites(zeros, zeros, zeros, np.full(4, 41)), vectors)
    spread = spread.reshape(2, 2, 4, 4, -1).transpose(0, 2, 1, 3, 4).reshape(64, -1)
    assert np.array_equal(spread, (features[0] * 2**6).permute(1, 2, 0).reshape(64, -1).numpy())

    for k, context in enumerate(model.context):
        index, mean = context(known / 64, features, cells)
        x = flat if k else flat[:, :0]
        out = run(exported.networks[f"context.{k}"], sites, x, hyper=spread)
        n = out.shape[1] // 2
        for part, real in ((out[:, :n], index), (out[:, n:], mean)):
            want = (real[0] * 64).permute(1, 2, 0).reshape(64, -1).numpy()
            # The index is clamped more narrowly in training; beyond that it saturates anyway.
            assert np.array_equal(part[own].clip(want.min(), want.max()), want[own])


@torch.no_grad()
def test_integer_mode_is_the_exported_analysis() -> None:
    model = small_model(**DEEPER)
    networks = networks_of(*read_tensors(encoder_file(model, "t")), ENCODER_NETWORKS)
    cells = np.ones((6, 8), np.uint8)
    cells[:3, :5] = 2  # two groups, which do not see each other
    groups = [Group(0, Level.L1, 41), Group(1, Level.L2, 41)]
    set_integer(model, True)
    pixels = picture(96, 128)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    for k in (0, 1):
        sites = sites_of(cells, [g.quality for g in groups], [k])
        own = torch.from_numpy((cells == k + 1).astype(np.float32))[None, None]
        mask = torch.nn.functional.interpolate(own, scale_factor=2)
        want = model.analysis(x, torch.tensor([41.0]), mask)[0].permute(1, 2, 0).numpy() * 64
        assert np.array_equal(analysis_transform(pixels, sites, networks), want[sites.rows, sites.cols])


def test_export_refuses_what_leaves_the_bound() -> None:
    layer = Pointwise(4, 2, Format(0, -2048, 2047), Format(0, -2048, 2047))
    with torch.no_grad():
        layer.weight.fill_(3000.0)
    with pytest.raises(ValueError, match="2\\^24"):
        layer.integers()
    with torch.no_grad():
        layer.weight.fill_(1.3)
    weight, bias, shift = layer.integers()
    peak = weight.abs().flatten(1).sum(1) * 2048 + bias.abs() + 2 ** (shift - 1)
    assert (peak < BOUND).all() and (peak > BOUND / 8).all()  # and the room is used


def test_networks_of_an_export_pass_the_readers_checks() -> None:
    model = small_model()
    assert parse_model(decoder_file(model, "test"), 9).latents == SMALL.latents
    encoder = networks_of(*read_tensors(encoder_file(model, "test")), ENCODER_NETWORKS)
    integer = [op for op in encoder["analysis"] if isinstance(op, Unshuffle)]
    assert len(integer) == 1 and set(encoder) == set(ENCODER_NETWORKS)
    assert check_network(
        "hyper", parse_model(decoder_file(model, "t"), 9).networks["hyper"], SMALL.hyper, 1024
    )


def test_groups_do_not_see_each_other_in_training() -> None:
    """The mask before every tap equals same-group gating: other cells may hold anything."""
    model = small_model()
    set_integer(model, True)
    torch.manual_seed(0)
    cells = torch.zeros(1, 1, 8, 8)
    cells[..., :5, :4] = 1
    a = torch.rand(1, 3, 128, 128) * 255
    b = a.clone()
    mask = torch.nn.functional.interpolate(cells, scale_factor=16)
    b = b * mask + torch.rand_like(b) * 255 * (1 - mask)
    with torch.no_grad():
        x, y = (model(p, torch.tensor([30.0]), cells)["image"] for p in (a, b))
    assert torch.equal(x * mask, y * mask)


@pytest.mark.slow
def test_training_learns_resumes_and_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for k in range(2):
        Image.fromarray(np.roll(picture(80, 90), k * 7, 1)).save(folder / f"{k}.png")
    base = ["--data", str(folder), "--out", str(tmp_path / "run"), "--batch", "2"]
    base += ["--size", "64", "--late-size", "64"]
    training.main([*base, "--steps", "4", "--revive", "0.2", "0.8", "0.9"])
    assert capsys.readouterr().out.count("dead units start anew") == 1
    first = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    training.main([*base, "--steps", "6", "--integer-part", "0.4", "--revive", "0.2", "0.8", "0.9"])
    assert capsys.readouterr().out.count("dead units start anew") == 1
    second = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert (first["step"], second["step"]) == (4, 6)
    assert not torch.equal(first["model"]["log_step"], second["model"]["log_step"])
    assert (tmp_path / "run" / "log.csv").read_text().startswith("step,")


@pytest.fixture
def photographs(tmp_path: Path) -> list[str]:
    """Options of a small run on two images."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for k in range(2):
        Image.fromarray(np.roll(picture(80, 90), k * 7, 1)).save(folder / f"{k}.png")
    config = tmp_path / "small.toml"
    sizes = dataclasses.asdict(SMALL).items()
    config.write_text("[sizes]\n" + "".join(f"{name} = {str(value).lower()}\n" for name, value in sizes))
    return [
        *("--config", str(config), "--data", str(folder), "--batch", "2"),
        *("--size", "64", "--late-size", "64"),
    ]


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int, number: signal.Signals) -> None:
    """Let a run get a signal while it is at a step."""
    update = RunState.update

    def counted(state: RunState) -> None:
        update(state)
        if state.step == steps:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(RunState, "update", counted)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    number: signal.Signals,
    tmp_path: Path,
    photographs: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = signal.getsignal(number)
    run = [*photographs, "--steps", "6", "--revive", "0.6"]
    training.main([*run, "--out", str(tmp_path / "whole")])
    with monkeypatch.context() as patch:
        stop_after(patch, 3, number)
        training.main([*run, "--out", str(tmp_path / "parts")])
    assert "stopped at step 3; the same command goes on" in capsys.readouterr().out
    assert signal.getsignal(number) is before
    half = torch.load(tmp_path / "parts" / "last.pt", weights_only=True)
    assert half["step"] == 3 and (tmp_path / "parts" / "weights.safetensors").exists()
    training.main([*run, "--out", str(tmp_path / "parts")])
    whole, parts = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "parts"))
    assert whole["step"] == parts["step"] == 6 and whole["revived"] == parts["revived"] == 1
    for kind in ("model", "average"):
        assert all(torch.equal(whole[kind][name], parts[kind][name]) for name in whole[kind])
    assert not all(torch.equal(half["model"][name], parts["model"][name]) for name in half["model"])


def test_a_run_without_a_length_holds_its_rate_and_another_falls_from_it(
    tmp_path: Path, photographs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold, fall = tmp_path / "hold", tmp_path / "fall"
    with monkeypatch.context() as patch:
        stop_after(patch, 2, signal.SIGTERM)
        training.main([*photographs, "--out", str(hold)])
    weights = hold / "weights.safetensors"
    training.main(
        [*photographs, "--out", str(fall), "--start", str(weights), "--plateau", "0", "--steps", "3"]
    )
    held, fallen = (checkpoints.load_model(folder / "weights.safetensors") for folder in (hold, fall))
    assert held.sizes == fallen.sizes == SMALL
    assert not torch.equal(held.log_step, fallen.log_step)
    assert torch.allclose(held.log_step, fallen.log_step, atol=0.02)  # it began there
    endless = Schedule(plateau=1.0)
    rates = [endless.rate(step, 1e6) for step in (0, WARM_UP_STEPS // 2, WARM_UP_STEPS, 10**9)]
    assert rates == pytest.approx([0.1, 0.55, 1.0, 1.0])
    assert endless.part(10**9, 1e9) == 0 and not endless.late(0) and endless.minutes_left(5, 5.0) is None
    falling = Schedule(steps=1000, plateau=0.0)
    assert [falling.rate(step, 0.0) for step in (10, 500, 999)] == pytest.approx([0.99, 0.5, 0.01])
    assert falling.late(0.0) and falling.minutes_left(250, 60.0) == pytest.approx(3)


@pytest.mark.parametrize("option", [["--plateau", "0.5"], ["--integer-part", "0.1"], ["--revive", "0.5"]])
def test_parts_of_a_run_need_its_length(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run = ["--data", "a", "--out", "b", *option]
    assert arguments([*run, "--minutes", "5"]).schedule.minutes == 5
    with pytest.raises(SystemExit) as stop:
        arguments(run)
    assert stop.value.code == 2 and "give --steps or --minutes" in capsys.readouterr().err


def test_a_run_does_not_begin_with_what_is_of_no_use(tmp_path: Path, photographs: list[str]) -> None:
    run = [*photographs, "--out", str(tmp_path / "run"), "--steps", "1"]
    for name, content, message in (
        ("none.pt", None, "No such file"),
        ("text.pt", b"no checkpoint\n", "not a checkpoint"),
        ("text.safetensors", b"no checkpoint\n", "E_MODEL_FILE"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(SystemExit, match=message):
            training.main([*run, "--start", str(tmp_path / name)])
    with pytest.raises(SystemExit, match="can grow"):
        training.main([*run, "--start", str(_shipped(1))])
    with pytest.raises(SystemExit, match="no images of at least 64 pixels"):
        training.main([*run, "--data", str(tmp_path / "run")])
    training.main(run)
    other = tmp_path / "other.toml"
    other.write_text("")
    with pytest.raises(SystemExit, match="a run of other sizes"):
        training.main([*run, "--config", str(other)])


def test_batches_follow_from_seed_and_step_whoever_makes_them() -> None:
    images = pictures_of(96)
    runs = [
        list(itertools.islice(loaded(Batches(images, 3, 64, seed, step), workers, "cpu"), count))
        for seed, step, workers, count in ((7, 0, 0, 5), (7, 0, 2, 5), (7, 2, 0, 3), (8, 0, 0, 5))
    ]
    crops, cells, quality = runs[0][0]
    assert crops.shape == (3, 3, 64, 64) and crops.dtype == torch.uint8
    assert cells.shape == (3, 1, 4, 4) and quality.shape == (3,) and quality.dtype == torch.float32

    def same(a: list[Any], b: list[Any]) -> bool:
        pairs = [pair for x, y in zip(a, b, strict=True) for pair in zip(x, y, strict=True)]
        return all(torch.equal(x, y) for x, y in pairs)

    assert same(runs[0], runs[1]) and same(runs[0][2:], runs[2]) and not same(runs[0], runs[3])
    assert not same(runs[0][:1], runs[0][1:2])


def test_more_samples_may_have_high_qualities() -> None:
    rng = np.random.default_rng(0)
    for part in (0.0, 0.25, 1.0):
        quality = data.random_qualities(40_000, rng, part).numpy()
        assert quality.min() >= 0 and quality.max() <= 63
        high = (63 - data.FINE_QUALITY) / 63
        assert (quality > data.FINE_QUALITY).mean() == pytest.approx(part + (1 - part) * high, abs=0.01)
        above = quality[quality > data.FINE_QUALITY]
        assert above.mean() == pytest.approx((63 + data.FINE_QUALITY) / 2, abs=0.3)
    assert quality.min() >= data.FINE_QUALITY
    batches = Batches(pictures_of(96), 50, 64, 1, 0, fine_part=1.0)
    assert batches[3][2].min() >= data.FINE_QUALITY > Batches(pictures_of(96), 50, 64, 1, 0)[3][2].min()
    assert arguments(["--data", "a", "--out", "b", "--fine-part", "0.3"]).fine_part == 0.3
    with pytest.raises(SystemExit):
        arguments(["--data", "a", "--out", "b", "--fine-part", "1.5"])


def test_rows_of_lost_steps_leave_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.csv"
    figures = torch.tensor([1.0, 0.5, 0.1, 6.5025])
    with log.Log(path, 0) as rows:
        for step in (100, 200, 300):
            rows.add(figures * 0.5, 1000)
            rows.add(figures * 1.5, 1000)
            rows.write(step, 60.0, False, 1.0, None)
    said = capsys.readouterr().out
    assert "step 300 float loss 1.0 bpp 0.5 (hyper 0.1) PSNR 40.0" in said and "min left" not in said
    with log.Log(path, 250) as rows:
        rows.write(250, 60.0, True, 1.0, 3.0)  # nothing to say
        rows.add(figures, 1000)
        rows.write(350, 60.0, True, 1.0, 3.0)
    assert [(row["step"], row["phase"]) for row in log.read_log(path)] == [
        ("100", "float"),
        ("200", "float"),
        ("350", "integer"),
    ]
    assert "3 min left" in capsys.readouterr().out


@pytest.mark.slow
def test_a_frozen_network_joins_the_distortion(tmp_path: Path) -> None:
    torch.manual_seed(1)
    weights = tmp_path / "mobilenet.pth"
    with pytest.raises(FileNotFoundError):
        FeatureDistance(weights, torch.zeros(1, 3, 64, 64))
    torch.save({"features.0.0.weight": torch.zeros(1)}, weights)
    for wrong in (b"", b"no weights at all\n", weights.read_bytes()[:-200]):
        weights.write_bytes(wrong)
        with pytest.raises(ValueError, match="the weights of no network"):
            FeatureDistance(weights, torch.zeros(1, 3, 64, 64))
    torch.save({"features.0.0.weight": torch.zeros(1)}, weights)
    x = torch.from_numpy(np.stack([picture(64, 128), picture(64, 128)[:, ::-1]])).permute(0, 3, 1, 2)
    with pytest.raises(ValueError, match="the weights of no network"):
        FeatureDistance(weights, x)
    torch.save(MobileNet().state_dict(), weights)
    distance = FeatureDistance(weights, x)
    x = x.float()
    worse = (x + torch.randn_like(x) * 20).requires_grad_()
    mask = torch.ones(2, 1, 64, 128)
    mask[1, ..., 64:] = 0
    d = distance(x, worse, mask)
    assert (distance(x, x, mask) == 0).all() and (d > 0).all()
    d.sum().backward()
    assert worse.grad is not None and (worse.grad[1, ..., 64:] == 0).all() and (worse.grad[1] != 0).any()
    model = small_model().eval()
    rest = (x[..., :64].byte(), mask[..., :64:16, :64:16], torch.tensor([20.0, 40.0]))
    plain, same, more = (
        sample_loss(model, *rest, seen)[0].item()
        for seen in (None, lambda *a: 0 * distance(*a), lambda *a: 1e4 * distance(*a))
    )
    assert same == pytest.approx(plain) and more > 1.2 * plain
    half, little = (sample_loss(model, *rest, None, (f, f))[0].item() for f in (0.5, 0.25))
    assert half - little == pytest.approx((plain - half) / 2) and 0 < little < half
    assert little < sample_loss(model, *rest, None, (0.25, 1))[0].item() < plain
    grey = Seen([distance], grey=1.0)
    beside = x.clone()
    beside[..., 64:] = 255 - beside[..., 64:]
    assert torch.equal(grey(x, worse, mask)[1], grey(beside, worse, mask)[1]) and grey(x, x, mask).sum() == 0
    assert distance(x, worse, mask)[1] != distance(beside, worse, mask)[1]
    Image.fromarray(picture(80, 90)).save(tmp_path / "a.png")
    run = ["--data", str(tmp_path), "--batch", "1", "--size", "64", "--late-size", "64", "--steps", "1"]
    training.main([*run, "--out", str(tmp_path / "run"), "--features", str(weights)])
    assert (tmp_path / "run" / "last.pt").exists()
    with pytest.raises(SystemExit, match="No such file"):
        training.main([*run, "--out", str(tmp_path / "other"), "--features", str(tmp_path / "none.pth")])


def test_a_log_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "log.csv"
    row = dict.fromkeys(log.FIELDS, "1.5")
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, log.FIELDS)
        writer.writeheader()
        log.plot(path, tmp_path / "none.png")
        for k in range(30):
            writer.writerow(row | {"step": 100 * k, "phase": "float" if k < 20 else "integer"})
    log.plot(path, tmp_path / "log.png")
    with Image.open(tmp_path / "log.png") as drawn:
        assert drawn.width >= 400
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bacth = 2", "no option bacth"),
        ("batch = ", "Invalid value"),
        ("[sizes]\nwidth = 3", "width"),
        ("size = 100", "multiples of 64"),
        ("", "--data and --out"),
    ],
)
def test_a_bad_configuration_is_refused(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text)
    where = [] if not text else ["--data", "a", "--out", "b"]
    with pytest.raises(SystemExit) as stop:
        training.main(["--config", str(file), *where])
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_the_command_line_wins_over_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('data = "photographs"\nout = "run"\nbatch = 3\nsteps = 5\n[sizes]\npasses = 2\n')
    args = arguments(["--config", str(file), "--batch", "4"])
    assert (args.batch, args.schedule.steps, args.sizes.passes) == (4, 5, 2)
    assert (args.data, args.out) == ([Path("photographs")], Path("run"))


def test_muon_updates_have_singular_values_near_one() -> None:
    g = torch.Generator().manual_seed(2)
    weights = [torch.nn.Parameter(torch.randn(s, generator=g)) for s in ((32, 48, 1, 1), (96, 8, 2, 2))]
    before = [w.detach().clone() for w in weights]
    optimiser = Muon(weights, 0.1)
    for w in weights:
        w.grad = torch.randn(w.shape, generator=g)
    optimiser.step()
    for w, old in zip(weights, before, strict=True):
        rows = w.shape[0]
        values = torch.linalg.svdvals((old - w.detach()).reshape(rows, -1))
        rate = 0.1 * max(1, rows / (w.numel() / rows)) ** 0.5
        assert (values > 0.5 * rate).all() and (values < 1.3 * rate).all()


def test_ablations_train_and_are_not_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    cells = torch.zeros(1, 1, 8, 8)
    cells[..., :4] = 1
    x = torch.rand(1, 3, 128, 128) * 255
    changes = [{}, {"passes": 2}, {"with_hyper": False}, {"with_context": False}, {"gated": False}]
    for change in changes:
        model = ReferenceModel(dataclasses.replace(SMALL, **change))  # type: ignore[arg-type]
        out = model(x, torch.tensor([30.0]), cells)
        assert (out["hyper_bits"].item() == 0) == ("with_hyper" in change)
        assert len(model.context) == change.get("passes", 4)
    checkpoint = {"sizes": dataclasses.asdict(model.sizes), "average": model.state_dict()}
    torch.save(checkpoint, tmp_path / "last.pt")
    with pytest.raises(SystemExit, match="ablation"):
        export.main([str(tmp_path / "last.pt"), "--number", "20000000", "--out", str(tmp_path)])
    for weight in ("0", "nan", "1001"):
        with pytest.raises(SystemExit, match="2"):
            export.main(["last.pt", "--number", "9", "--out", str(tmp_path), "--error-weights", "1", weight])
    for pair in (("1", "0"), ("nan", "1"), ("1000001", "1")):
        with pytest.raises(SystemExit, match="2"):
            export.main(["last.pt", "--number", "9", "--out", str(tmp_path), "--feature-weights", *pair])


def test_a_vision_transformer_compares_some_samples_for_all(tmp_path: Path) -> None:
    torch.manual_seed(2)
    width, stride, depth = 64, 8, 4
    state = {"patch.weight": torch.randn(width, 3, stride, stride) * 0.05, "pos": torch.randn(1, 9, width)}
    like = {"patch.weight": state["patch.weight"], "pos": state["pos"]}
    network = VisionTransformer(like | {f"blocks.{k}.ls1": torch.ones(width) for k in range(depth)})
    weights = tmp_path / "vit.pt"
    torch.save(network.state_dict() | state, weights)
    x = torch.from_numpy(np.stack([picture(64, 96)] * 4)).permute(0, 3, 1, 2)
    whole, part = (FeatureDistance(weights, x, 2.0, samples) for samples in (None, 2))
    assert [t.shape for t in whole.network(x.float())] == [(4, width, 8, 12)] * 4
    x = x.float()
    worse, mask = x.clone(), torch.ones(4, 1, 64, 96)
    worse[0, :, :8, :8] += 40
    first = whole(x, worse, mask)
    assert first[0] > 0 and (first[1:] == 0).all()
    assert torch.allclose(part(x, worse, mask), 2 * first)
    mask[0, :, :32] = 0
    assert (whole(x, worse, mask) == 0).all()  # what is decoded is not looked at there


@pytest.mark.parametrize("fraction", [12, 10])
def test_tables_of_steps_of_other_fractions(fraction: int) -> None:
    model = small_model(step_fraction=fraction)
    with torch.no_grad():
        model.log_step.fill_(5.0)  # more than any table holds
    assert model.steps(torch.zeros(1), True).max() == 16383 / 2**fraction
    decoder, _ = export.export(model, 20000000, "other steps", [])
    assert parse_model(decoder, 20000000).shifts["step"] == fraction - 2


@torch.no_grad()
@pytest.mark.parametrize("latent_quality", [False, True])
def test_a_widened_model_does_what_it_did_and_paints_more(latent_quality: bool) -> None:
    old = small_model(latent_quality=latent_quality)
    sizes = dataclasses.replace(SMALL, latents=34, early=14, **DEEPER)
    x = torch.from_numpy(picture(128, 192)).permute(2, 0, 1)
    new = widened(old, sizes, [x, x.flip(2)])
    kept = [*range(12), *range(14, 26)]  # where the old latents are now
    best = torch.tensor([63.0])
    before, after = (m.analysis(x[None].float(), best, None) for m in (old, new))
    assert torch.allclose(after[:, kept], before, atol=1e-5)
    blind = torch.zeros_like(after)
    blind[:, kept] = before
    old_picture = old.synthesis(before, best, None)
    assert torch.allclose(new.synthesis(blind, best, None), old_picture, atol=1e-2)
    hyper = torch.rand(1, SMALL.features, 8, 12)
    for k, (a, b) in enumerate(zip(old.context, new.context, strict=True)):
        rows = slice(0, 12)
        for was, now in zip(a(before, hyper, None), b(blind, hyper, None), strict=True):
            assert now.shape[1] == (14, 14, 20, 20)[k]
            assert torch.allclose(now[:, rows], was, atol=1e-5)
    error = ((old_picture - x) ** 2).mean()
    assert ((new.synthesis(after, best, None) - x) ** 2).mean() < 0.9 * error


@pytest.mark.parametrize(
    "change",
    [
        {"analysis_quality": False},
        {"synthesis_quality": False},
        {"latents": 20},
        {"channels": 40},
        {"early": 8},
        {"passes": 2},
        {"analysis_blocks": 0},
        {"latent_quality": False},
    ],
)
def test_a_model_is_widened_in_some_ways_only(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="can grow"):
        old = small_model(analysis_quality=True, latent_quality=True, synthesis_quality=True)
        widened(old, dataclasses.replace(old.sizes, **change), [torch.zeros(3, 64, 64)])


def pictures_of(side: int) -> list[torch.Tensor]:
    x = torch.from_numpy(picture(side, side + 40)).permute(2, 0, 1)
    return [x, x.flip(2).contiguous(), x.flip(1).contiguous()]


@torch.no_grad()
def test_an_equalised_model_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "EXAMPLES", 16)
    model = small_model(**DEEPER).eval()
    # Hyper features that hardly move, and a table that keeps them below 0: a clamp must not bring them up.
    model.hyper.expand.weight.mul_(0.01)
    model.hyper.quality.table[:, :4] -= 1
    model.hyper.expand.bias[4:8] -= 1
    model.hyper.quality.table[:, 4:8] += 0.9
    pictures = pictures_of(128)
    x = pictures[0][None, :, :128, :128].float()
    cells = torch.ones(1, 1, 8, 8)

    def outputs(integer: bool) -> list[dict[str, torch.Tensor]]:
        set_integer(model, integer)
        found = [model(x, torch.tensor([q]), cells) for q in (5.0, 30.0, 60.0)]
        set_integer(model, False)
        return found

    before = outputs(False)
    equalise(model, data.examples_of(pictures, 64))
    for was, now, integer in zip(before, outputs(False), outputs(True), strict=True):
        # But where a latent was about to be rounded the other way.
        error = (was["image"] - now["image"]).abs()
        assert error.quantile(0.9) < 1e-2 and error.mean() < 0.1
        assert torch.allclose(was["bits"], now["bits"], rtol=1e-3)
        assert torch.allclose(was["bits"], integer["bits"], rtol=0.02)
    assert parse_model(decoder_file(model, "test"), 9).latents == SMALL.latents
    # Every channel reaches its share of the range now, or has got the largest gain.
    seen: dict[torch.nn.Module, torch.Tensor] = {}

    def note(layer: torch.nn.Module, values: torch.Tensor) -> None:
        peak = values.abs().amax((0, 2, 3))
        seen[layer] = torch.maximum(seen.get(layer, peak), peak)

    with watched(model, note):
        for example in data.examples_of(pictures, 64):
            model(*example)
    found = list(edges(model))
    assert len(found) == 2 + 3 * (2 + 2) + 2 + 2 * 4 + 2 * 3
    for edge in found:
        share = edge.peaks(seen) * 2.0**edge.format.frac / edge.format.hi
        assert (share < 1.01).all() and share.median() > 0.02, (edge.writers[0][0], share)


@torch.no_grad()
def test_an_equalised_synthesis_errs_less_in_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "EXAMPLES", 16)
    model = small_model().eval()
    model.synthesis.last.dst = Format(4, 0, 255 * 16)  # else the error of rounding to bytes is most of all
    pictures = pictures_of(128)
    x = pictures[0][None, :, :128, :128].float()
    quality = torch.tensor([60.0])

    def error() -> float:
        found = []
        latents = (model.analysis(x, quality, None) * 64).round() / 64
        for integer in (False, True):
            set_integer(model, integer)
            found.append(model.synthesis(latents, quality, None).clamp(0, 255))
        set_integer(model, False)
        return float(((found[0] - found[1]) ** 2).mean())

    errors = [error()]
    for improve in (equalise, round_weights):
        improve(model, data.examples_of(pictures, 64))
        errors.append(error())
    assert errors[1] < 0.75 * errors[0] and errors[2] < 0.75 * errors[1]


@torch.no_grad()
def test_weights_rounded_together_err_less(monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(1)
    x = 300 + 40 * torch.randn(2000, 24, generator=g).double() @ torch.randn(24, 24, generator=g).double()
    x = torch.cat([x, torch.ones(2000, 1).double()], 1)
    weight = torch.randn(8, 25, generator=g).double() * 3
    result = rounded(weight, x.T @ x)
    assert torch.equal(result, result.round()) and float((result - weight)[:, :-1].abs().max()) < 8

    def error(w: torch.Tensor) -> float:
        return float(((x @ (w - weight).T) ** 2).mean())

    assert error(result) < 0.5 * error(weight.round())

    monkeypatch.setattr(data, "EXAMPLES", 16)
    model = small_model()
    # Every sum of this layer is close to the bound, so that some of its rows must take a smaller shift.
    layer = model.synthesis.blocks[0].contract
    layer.weight.copy_(torch.randn(layer.weight.shape, generator=g).sign() * 0.124)
    round_weights(model, data.examples_of(pictures_of(128), 64))
    for part in model.modules():
        if isinstance(part, Pointwise) and part not in (model.hyper.cell, model.hyper.code):
            was, _, shift = part.integers()
            scale = 2.0 ** (shift + part.dst.frac - part.src.frac)[:, None, None, None]
            assert torch.equal(was, part.weight.double() * scale)


@torch.no_grad()
def test_dead_units_start_anew_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "EXAMPLES", 16)
    model, average = small_model().eval(), small_model().eval()
    pictures = pictures_of(128)
    for m in (model, average):
        block = m.analysis.blocks[0]
        block.spatial.bias[:20] = 0.1  # what dead units before a depthwise layer still add
        for layer in (m.synthesis.blocks[1].expand, m.context[2].mix, block.reduce):
            layer.bias[:20] = -1e4
    arguments = pictures[0][None, :, :128, :128].float(), torch.tensor([30.0]), torch.ones(1, 1, 8, 8)
    before = model(*arguments)
    assert revive(model, data.examples_of(pictures, 64), average) >= 60
    for m in (model, average):
        above: dict[torch.nn.Module, float] = {}

        def note(
            layer: torch.nn.Module, values: torch.Tensor, above: dict[torch.nn.Module, float] = above
        ) -> None:
            above[layer] = float((values[:, :20] > 0).float().mean())

        with watched(m, note):
            after = m(*arguments)
        seen = [
            above[m.synthesis.blocks[1].contract],
            above[m.context[2].mean],
            above[m.analysis.blocks[0].spatial],
        ]
        assert all(0.05 < part < 0.8 for part in seen)
        error = (before["image"] - after["image"]).abs()
        assert error.quantile(0.9) < 2e-2 and error.mean() < 0.2
        assert torch.allclose(before["bits"], after["bits"], rtol=2e-3)
    assert revive(model, data.examples_of(pictures, 64)) <= 8


@pytest.mark.slow
@torch.no_grad()
def test_tables_are_rounded_so_that_latents_keep_their_means() -> None:
    model = small_model(**DEEPER).eval()
    for table in (model.analysis.quality, *model.analysis.qualities, *model.analysis.offsets):
        table.table.normal_(0, 0.3)
    crops = torch.stack([x[:, :64, :64] for x in pictures_of(128)]).float()
    wanted = means_of(model, crops)
    steps = model.tables()["step"] / 4096

    def error() -> torch.Tensor:
        return (((means_of(model, crops, True) - wanted) / steps) ** 2).sum(1)

    before = error()
    last = model.analysis.last_table
    assert last is model.analysis.offsets[-1]
    plain = last.rows()
    settle_means(model, wanted, crops)
    after = error()
    assert after.sum() < 0.2 * before.sum() and (after < before).all()
    moved = (last.rows() - plain) * 2.0**last.dst.frac
    assert (moved == moved.round()).all() and 0 < moved.abs().max() <= 4
    tensors, description = read_tensors(encoder_file(model, "t"))
    (name,) = (
        op["name"]
        for op in description["networks"]["analysis"]
        if op["op"] == "quality" and "offsets" in op["name"]
    )
    assert (tensors[name + ".table"] == (last.rows() * 2.0**last.dst.frac).numpy()).all()


@pytest.mark.slow
@pytest.mark.parametrize("latent_quality", [False, True])
def test_an_export_fitted_to_photographs_codes_them(
    latent_quality: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "EXAMPLES", 8)
    model = small_model(**{**DEEPER, "latent_quality": latent_quality})
    with torch.no_grad():
        for table in (*model.analysis.qualities, *model.synthesis.qualities):
            table.table.normal_(0, 0.3)
    checkpoint = {"sizes": dataclasses.asdict(model.sizes), "average": model.state_dict()}
    torch.save(checkpoint, tmp_path / "last.pt")
    folder = tmp_path / "photographs"
    folder.mkdir()
    Image.fromarray(picture(260, 280)).save(folder / "a.png")
    out = tmp_path / "models"
    errors = []
    fitted = ["--data", str(folder), "--error-weights", "0.5", "2.5", "--feature-weights", "30", "3"]
    for more, weight, pair in (([], (1, 1), None), (fitted, (0.5, 2.5), (30, 3))):
        export.main([str(tmp_path / "last.pt"), "--number", "20000000", "--out", str(out), *more])
        monkeypatch.setenv("SDC_MODELS", str(out))
        load_model.cache_clear()
        load_encoder.cache_clear()
        encoder = load_encoder(20000000)
        assert (encoder.error_weights, encoder.feature_weights) == (weight, pair)
        # What the torch model says of the same picture, in floating point.
        x = torch.from_numpy(picture(128, 128)).permute(2, 0, 1)[None].float()
        error = 0.0
        for quality in (48, 54, 60):
            found = decode(encode(picture(128, 128), quality=quality, model=20000000, effort=0)).pixels
            with torch.no_grad():
                want = model.eval()(x, torch.tensor([float(quality)]), torch.ones(1, 1, 8, 8))["image"][0]
            error += float(np.abs(found - want.clamp(0, 255).permute(1, 2, 0).numpy()).mean()) / 3
        errors.append(error)
    assert errors[1] < errors[0] < 2


def test_fitted_tables_code_the_same_photographs_in_fewer_bits() -> None:
    model = small_model()
    encoder = networks_of(*read_tensors(encoder_file(model, "t")), ENCODER_NETWORKS)
    pictures = [torch.from_numpy(picture(96, 128)).permute(2, 0, 1)]

    def size(decoder: Model) -> int:
        total = 0
        for quality in symbols.FIT_QUALITIES:
            sites = sites_of(np.ones((6, 8), np.uint8), [quality], [0])
            coder = GroupCoder(sites, decoder)
            targets = analysis_transform(pictures[0].permute(1, 2, 0).numpy(), sites, encoder)
            total += len(encode_group(targets, hyper_analysis(targets, coder, encoder), coder)[0])
        return total

    plain = parse_model(decoder_file(model, "t"), 9)
    tables = symbols.fitted_tables(plain, encoder, pictures)
    fitted = parse_model(decoder_file(model, "t", tables), 9)
    assert all(np.array_equal(f[:-1], f[-2::-1]) for f in fitted.frequencies[1:])
    assert size(fitted) < size(plain)


def test_symbols_are_counted_whatever_type_their_indices_have() -> None:
    counts = symbols._Counts()
    for kind in (np.uint8, np.int16, np.int64):
        counts.add(np.array([[63, 40]], kind), np.array([[3, -2]], np.int16))
    assert counts.seen.sum() == 6
    assert counts.seen[63, symbols.PAST + 3] == counts.seen[40, symbols.PAST - 2] == 3


def test_random_cells_cover_enough() -> None:
    rng = np.random.default_rng(0)
    shares = [data.random_cells(12, 12, rng).mean() for _ in range(200)]
    assert min(shares) >= 0.125 and max(shares) == 1.0 and len(set(shares)) > 20


def _shipped(number: int) -> Path:
    return Path(sdc.__file__).parent / "models" / f"sdc-model-{number}.safetensors"


@pytest.mark.parametrize("number", [1, 2])
def test_a_shipped_model_becomes_floats_and_integers_again(number: int) -> None:
    path = _shipped(number)
    model = checkpoints.load_model(path)
    kept, _ = read_tensors(path.read_bytes())
    again, _ = read_tensors(decoder_file(model, "again"))
    assert set(kept) == set(again)
    for name, values in kept.items():
        own = again[name].astype(np.int64)
        if name.endswith(".weight"):
            shift = name.removesuffix("weight") + "shift"
            new, old = (np.ldexp(1.0, -t[shift].astype(int))[:, None] for t in (again, kept))
            assert np.array_equal(own * new, values * old), name  # the shift may be another
        elif name.endswith(".table"):
            assert np.abs(own - values).mean() < 0.6, name  # 64 rows from 8 anchors
        elif name in ("step", "inverse", "offset", "hyper_step", "hyper_index"):
            assert np.abs(own - values).mean() < 0.2, name


@pytest.mark.slow
def test_a_model_trained_no_step_codes_as_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = checkpoints.load_model(_shipped(1))
    tables = [(f / f.sum()).tolist() for f in load_model(1).frequencies[1:]]  # else of Gaussians
    decoder, encoder = decoder_file(model, "again", tables), encoder_file(model, "again")
    for suffix, file in (("", decoder), ("-encoder", encoder)):
        (tmp_path / f"sdc-model-{PRIVATE}{suffix}.safetensors").write_bytes(file)
    monkeypatch.setenv("SDC_MODELS", str(tmp_path))
    pictures = [
        p[:256, 128:384] for p in (skimage_data.astronaut(), skimage_data.cat(), skimage_data.coffee())
    ]
    for quality in (8, 24, 40):
        found = []
        for number in (1, PRIVATE):
            files = [encode(p, quality=quality, effort=0, model=number) for p in pictures]
            shown = [decode(file).pixels.astype(float) for file in files]
            errors = [np.square(a - b).mean() for a, b in zip(shown, pictures, strict=True)]
            found.append((sum(map(len, files)), np.mean(10 * np.log10(255**2 / np.array(errors)))))
        (size, psnr), (own_size, own_psnr) = found
        assert abs(own_psnr - psnr) < 0.02
        assert abs(own_size / size - 1) < 0.01


def test_weights_in_half_precision_begin_a_run(tmp_path: Path) -> None:
    small = ReferenceModel(SMALL)
    checkpoints.save_half(tmp_path / "weights.safetensors", small)
    again = checkpoints.load_model(tmp_path / "weights.safetensors")
    assert again.sizes == small.sizes
    for (name, one), (_, two) in zip(small.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(one.detach().half().float(), two.detach()), name
    tensors, description = read_tensors((tmp_path / "weights.safetensors").read_bytes())
    del tensors["log_step"]
    (tmp_path / "less.safetensors").write_bytes(write_tensors(tensors, description))
    with pytest.raises(ValueError, match="log_step"):
        checkpoints.load_model(tmp_path / "less.safetensors")
    with torch.no_grad():
        small.log_step[0, 0] = 1e6
    with pytest.raises(ValueError, match="half precision"):
        checkpoints.save_half(tmp_path / "weights.safetensors", small)


def test_a_plateau_may_be_the_whole_run() -> None:
    assert [learning_rate(p, 1.0) for p in (0.02, 0.5, 0.999)] == [1.0, 1.0, 1.0]
    assert learning_rate(0.6, 0.2) == pytest.approx(0.5)
