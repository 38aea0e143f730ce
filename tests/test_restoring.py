"""Trained restoration models: degradations, samples, integers against torch, a short run; networks
of others, adapted."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

import sdc
from sdc.cli.restoration import read_restoration_file
from sdc.codec.presets import Preset
from sdc.codec.restoration import conditioned, derived_vector, weakened
from sdc.codec.transforms import synthesis_transform
from sdc.coding.passes import Symbols, sites_of
from sdc.networks.network import Network
from sdc.networks.registry import load_encoder, load_model, load_restoration, models_folder
from sdc.networks.restoration import RestorationModel, parse_restoration
from sdc.networks.sites import Sites
from sdc.networks.tensors import read_tensors
from sdc.types import Array, Pixels
from sdc_reference.evaluation.evaluators.restoration import Denoiser
from sdc_reference.evaluation.metrics import psnr
from sdc_reference.model.layers import set_integer
from sdc_reference.restoration import command, samples
from sdc_reference.restoration.adapt import (
    ADAPTED,
    Adaptation,
    adapt,
    batch_of_pairs,
    decoded_pair,
    network_of,
)
from sdc_reference.restoration.checkpoints import read_own, save_half
from sdc_reference.restoration.clip import Adapter, adapter_loss
from sdc_reference.restoration.degradations import (
    DEGRADE,
    KINDS,
    Degrade,
    degraded,
    of_bytes,
    random_severities,
)
from sdc_reference.restoration.export import restoration_file
from sdc_reference.restoration.joint import (
    ENCODING,
    JointNetwork,
    joint_encoder_file,
    joint_loss,
    shipped_codec,
    tempered,
)
from sdc_reference.restoration.network import RestorationNetwork, RestorationSizes, base_synthesis
from sdc_reference.restoration.perceived import distance_by
from sdc_reference.restoration.pixels import PixelNetwork
from sdc_reference.restoration.told import told_of, told_table
from sdc_reference.restoration.training import Batch, calibrate, small_batch
from sdc_reference.restoration.trials import TRIALS, trial_of
from sdc_reference.restoration.varieties import VARIETIES, varied
from sdc_reference.training.features import layers

BASE = models_folder() / "sdc-model-1.safetensors"
SMALL = RestorationSizes(vector=4, seen=8, blocks=1, spatial=8, wide=8, blurred=8)


def photograph(side: int = 64) -> Pixels:
    """Something with slopes, edges and colours."""
    y, x = np.mgrid[:side, :side] / side
    planes = [x, (x + y) / 2, (np.sin(12 * x) > y)]
    pixels: Pixels = (40 + 160 * np.stack(planes, -1)).astype(np.uint8)
    return pixels


@pytest.mark.parametrize("kind", DEGRADE)
def test_a_degradation_follows_from_its_generator(kind: str) -> None:
    clean = photograph()
    mild, strong, again = (
        degraded(clean, {kind: severity}, np.random.default_rng(3)) for severity in (0.1, 1.0, 1.0)
    )
    assert strong.dtype == np.uint8 and strong.shape == clean.shape
    assert np.array_equal(strong, again)
    error = [np.square(clean.astype(float) - other).mean() for other in (mild, strong)]
    assert 0 < error[0] < error[1]
    assert np.array_equal(degraded(clean, {}, np.random.default_rng(3)), clean)


@pytest.mark.parametrize(("kind", "way"), [(kind, way) for kind, ways in VARIETIES.items() for way in ways])
def test_an_implementation_follows_from_its_generator(kind: str, way: Degrade) -> None:
    clean = of_bytes(photograph())
    mild, strong, again = (way(clean, severity, np.random.default_rng(3)) for severity in (0.1, 1.0, 1.0))
    assert strong.shape == clean.shape and np.array_equal(strong, again) and np.isfinite(strong).all()
    error = [np.square(clean - np.clip(other, 0, 1)).mean() for other in (mild, strong)]
    assert 1e-6 < error[0] < error[1], kind


def test_samples_get_all_implementations_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    clean, seen = photograph(), set()
    rng = np.random.default_rng(2)
    monkeypatch.setattr(
        "sdc_reference.restoration.varieties.VARIETIES",
        {
            kind: tuple(lambda x, s, r, way=way: (seen.add(way), x)[1] for way in ways)
            for kind, ways in VARIETIES.items()
        },
    )
    for _ in range(40):
        for kind in VARIETIES:
            assert np.array_equal(varied(clean, {kind: 0.5}, rng), clean)
    assert seen == {way for ways in VARIETIES.values() for way in ways}
    assert {ways[0] for ways in VARIETIES.values()} == set(DEGRADE.values())
    assert varied(clean, {}, rng) is clean


def test_random_degradations_are_registered_single_mixed_or_none() -> None:
    rng = np.random.default_rng(0)
    drawn = [random_severities(rng) for _ in range(400)]
    assert {len(one) for one in drawn} == {0, 1, 2} and set().union(*drawn) == set(KINDS)
    assert all(sdc.Degradation(kind, s).number == KINDS[kind] for one in drawn for kind, s in one.items())


@pytest.mark.parametrize("task", TRIALS)
def test_trials_are_the_same_every_time(task: str) -> None:
    clean = photograph()
    for strength in (0, 1):
        made = trial_of(clean, task, strength)
        assert np.array_equal(made, trial_of(clean, task, strength)) and not np.array_equal(made, clean)


@pytest.mark.training
def test_latents_of_samples_are_those_that_decoders_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(samples, "SIZE", 64)
    monkeypatch.setattr(samples, "MARGIN", 8)
    monkeypatch.setattr(samples, "SHARD", 2)
    images = [torch.from_numpy(photograph(96)).permute(2, 0, 1)]
    samples.make_samples(images, 3, 5, 1, tmp_path)
    first, second = samples.open_samples(tmp_path)
    assert len(first) == 2 and len(second) == 1
    for row in first:
        assert not row["latents"][:, ~row["cells"]].any() and row["cells"].any()
    latents = samples.latents_of(photograph(), np.ones((4, 4), bool), 30, load_model(1), load_encoder(1))
    found: list[Symbols] = []
    data = sdc.encode(photograph(), quality=30, effort=0)
    sdc.decode(data, on_group=lambda group, sites, symbols: found.append(symbols))
    assert np.array_equal(latents.reshape(16, -1), found[0].latents)


def test_what_is_told_of_samples_is_what_encoders_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(samples, "SIZE", 64)
    dark, cells = photograph() // 6, np.ones((4, 4), bool)
    rows = np.zeros(2, samples.row_type(load_model(1).latents))
    for row, pixels, strength in zip(rows, (dark, photograph()), (0.8, 0.0), strict=True):
        latents = samples.latents_of(pixels, cells, 30, load_model(1), load_encoder(1))
        row["latents"], row["cells"], row["quality"] = latents.transpose(2, 0, 1), cells, 30
        row["severity"][list(KINDS).index("low-light")] = strength
        said = sdc.open(sdc.encode(pixels, quality=30, effort=0, restoration=4)).restoration
        named = {one.number: one.strength for one in said.degradations} if said else {}
        assert told_of(row, load_restoration(4)) == pytest.approx(named, abs=1 / 250)
        assert (KINDS["low-light"] in named) == (strength > 0)
    np.save(tmp_path / "0000.npy", rows)
    command.main(["told", "--samples", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| none | 1 |  |  | ") and lines[3].startswith("| low-light | 1 | 100 | ")
    with pytest.raises(SystemExit, match="no samples in"):
        command.main(["told", "--samples", str(tmp_path / "none")])


def test_kinds_that_are_named_are_counted() -> None:
    noise, rain = KINDS["noise"], KINDS["rain"]
    places = list(KINDS)
    severities = np.zeros((5, len(KINDS)))
    severities[1:, places.index("noise")] = 0.5, 0.75, 0.1, 0.5
    severities[4, places.index("rain")] = 0.5
    told = [{rain: 0.25}, {noise: 0.75}, {rain: 0.5}, {noise: 0.5}, {noise: 0.5, rain: 1.0}]
    assert list(told_table(severities, told))[2:] == [
        "| none | 1 |  |  | 100 |",
        "| noise | 2 | 50 | 0.25 | 50 |",
        "| several | 1 | 100 | 0.25 | 0 |",
    ]


def some_network(sizes: RestorationSizes = SMALL) -> RestorationNetwork:
    """A network in which everything does something."""
    torch.manual_seed(4)
    made = RestorationNetwork(sizes, base_synthesis(BASE))
    for part in made.parameters():
        if part.requires_grad and not bool(part.detach().any()):
            torch.nn.init.normal_(part, 0, 0.05)
    return made


def a_batch() -> Batch:
    """Two groups of the synthetic photograph, darker than it is."""
    clean = torch.from_numpy(photograph().astype(np.float32)).permute(2, 0, 1)[None].repeat(2, 1, 1, 1)
    dark = photograph() // 2
    latents = samples.latents_of(dark, np.ones((4, 4), bool), 30, load_model(1), load_encoder(1))
    given = torch.from_numpy(latents.transpose(2, 0, 1)[None].astype(np.float32)) / 64
    severity = torch.zeros(2, len(KINDS))
    severity[:, list(KINDS).index("low-light")] = 0.5
    cells = torch.ones(2, 1, 4, 4)
    return Batch(clean, clean // 2, given.repeat(2, 1, 1, 1), cells, torch.full((2,), 30.0), severity)


def pixels_of(which: Network, latents: Array, sites: Sites) -> Pixels:
    canvas = np.zeros((64, 64, 3), np.uint8)
    synthesis_transform(latents, sites, which, canvas)
    return canvas


@pytest.mark.training
def test_integers_restore_as_the_network_in_torch_and_none_is_the_base() -> None:
    made = some_network()
    model: RestorationModel = parse_restoration(restoration_file(made, "a", 1, BASE), 9)
    assert model.base == (1, load_model(1).sha256) and model.none == (0, 0, 0, 0)
    assert model.kinds == tuple(KINDS.values())
    cells = np.ones((4, 4), bool)
    cells[0, 1] = cells[3] = False
    latents = samples.latents_of(photograph(), cells, 25, load_model(1), load_encoder(1))
    sites = sites_of(cells.astype(np.uint8), [25], [0])
    own = latents[cells]
    set_integer(made, True)
    given = (
        torch.from_numpy(latents.transpose(2, 0, 1)[None].astype(np.float32)) / 64,
        torch.tensor([25.0]),
        torch.from_numpy(cells[None, None].astype(np.float32)),
    )
    with torch.no_grad():
        want, vector = made(*given)
    derived = derived_vector(own, sites, model)
    assert derived == tuple((vector[0] * 64).int().tolist()) and any(derived)
    mask = cells.repeat(16, 0).repeat(16, 1)
    restored = pixels_of(conditioned(model, derived, 25), own, sites)
    assert np.array_equal(restored[mask], want[0].permute(1, 2, 0).numpy()[mask])
    plain = pixels_of(load_model(1).networks["synthesis"], own, sites)
    assert np.array_equal(pixels_of(conditioned(model, model.none, 25), own, sites), plain)
    half = pixels_of(conditioned(model, weakened(derived, model, 0.5), 25), own, sites)
    apart = [np.abs(plain[mask].astype(int) - other[mask]).mean() for other in (half, restored)]
    assert 0 < apart[0] < apart[1]


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which a step of an adaptation takes 20 ms and one of a training 200, on any machine."""
    for module, seconds in (("adapt", 0.02), ("training", 0.2)):
        told = SimpleNamespace(monotonic=itertools.count(0, seconds).__next__)
        monkeypatch.setattr(f"sdc_reference.restoration.{module}.time", told)


@pytest.fixture
def small_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of a run that is over soon: small networks, few small samples, any features."""
    monkeypatch.setattr(samples, "SIZE", 64)
    monkeypatch.setattr(samples, "SHARD", 4)
    monkeypatch.setattr("sdc_reference.restoration.training.RestorationSizes", lambda: SMALL)
    monkeypatch.setattr("sdc_reference.restoration.training.EVERY", 1)
    images = [torch.from_numpy(photograph(160)).permute(2, 0, 1)]
    samples.make_samples(images, 8, 5, 1, tmp_path / "samples")
    torch.manual_seed(1)
    torch.save({f"features.{name}": t for name, t in layers().state_dict().items()}, tmp_path / "net.pth")
    words = ["--samples", tmp_path / "samples", "--features", tmp_path / "net.pth", "--out", tmp_path / "run"]
    return [*map(str, words)]


@pytest.mark.training
@pytest.mark.slow
@pytest.mark.usefixtures("steady")
def test_a_run_learns_and_goes_on(
    tmp_path: Path,
    small_run: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sdc_reference.restoration.training.TAUGHT", 4)
    words = ["train", *small_run, "--batch", "2", "--teach", "3", "--held", "2", "--minutes"]
    command.main([*words, "0.02"])
    first = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    command.main([*words, "0.04"])
    second = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert (first["step"], second["step"]) == (6, 12)
    said = capsys.readouterr().out
    assert "taught 3 " in said and f"from step {first['step']}" in said
    assert any(bool((first["average"][k] != t).any()) for k, t in second["average"].items())
    out = tmp_path / "out.safetensors"
    command.main(["export", str(tmp_path / "run" / "last.pt"), "--out", str(out)])
    assert parse_restoration(out.read_bytes(), 9).vector == SMALL.vector
    half = tmp_path / "half.safetensors"
    command.main(["keep", str(tmp_path / "run" / "last.pt"), "--out", str(half)])
    command.main(["export", str(half), "--out", str(out)])
    assert parse_restoration(out.read_bytes(), 9).base == (1, load_model(1).sha256)


@pytest.mark.training
@pytest.mark.slow
@pytest.mark.usefixtures("steady")
def test_a_filter_of_pixels_learns_from_the_image_as_captured(
    tmp_path: Path, small_run: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pixels", *small_run, "--batch", "2", "--held", "2", "--minutes"]
    command.main([*words, "0.02"])
    command.main([*words, "0.06"])
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    before, *_, after = (line for line in capsys.readouterr().out.splitlines() if line.startswith("  "))
    assert state["step"] == 18 and "sizes" not in state and before != after
    figures = [float(word) for word in re.findall(r"\d+\.\d+", before)]
    assert figures[::2] == pytest.approx(figures[1::2], abs=0.1)  # it begins with nothing
    with pytest.raises(SystemExit, match="not of a restoration model"):
        command.main(["keep", str(tmp_path / "run" / "last.pt"), "--out", str(tmp_path / "half.safetensors")])


def test_the_filter_does_as_much_work_as_what_restores() -> None:
    base = base_synthesis(BASE)
    restoring, filtering = RestorationNetwork(RestorationSizes(), base), PixelNetwork(base)
    latents, cells = torch.zeros(1, 256, 8, 8), torch.ones(1, 1, 8, 8)

    def work(call: Callable[[], object]) -> float:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            call()
        return counter.get_total_flops() / 2 / 128**2

    own = work(lambda: restoring.restore(latents, torch.zeros(1, 32), torch.full((1,), 30.0), cells))
    other = work(lambda: filtering.filtered(torch.zeros(1, 3, 128, 128)))
    assert own == pytest.approx(15.9e3, rel=0.02) and other == pytest.approx(own, rel=0.05)


@pytest.mark.training
@pytest.mark.slow
@pytest.mark.usefixtures("steady")
def test_an_analysis_is_trained_with_what_restores_and_streams_stay_those_of_the_base(
    tmp_path: Path,
    small_run: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["joint", *small_run, "--batch", "4", "--held", "4", "--minutes"]
    command.main([*words, "0.02"])
    first = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    command.main([*words, "0.05"])
    second = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert (first["step"], second["step"]) == (6, 15) and " bpp " in capsys.readouterr().out
    for half in ("average", "encoder_average"):
        assert any(bool((first[half][k] != t).any()) for k, t in second[half].items())
    assert all(name.startswith(ENCODING) for name in second["encoder"])
    half, out = tmp_path / "half.safetensors", tmp_path / "out.safetensors"
    command.main(["keep", str(tmp_path / "run" / "last.pt"), "--out", str(half)])
    command.main(["export", str(half), "--out", str(out)])
    assert parse_restoration(out.read_bytes(), 9).base == (1, load_model(1).sha256)
    number = (1 << 24) + 5
    own = tmp_path / f"sdc-model-{number}-encoder.safetensors"
    command.main(["encoder", str(tmp_path / "run" / "last.pt"), "--out", str(own)])
    lasts = []
    for part in ("0", "0.5", "1"):
        path = tmp_path / f"part-{part}.safetensors"
        words = ["encoder", str(tmp_path / "run" / "last.pt"), "--part", part, "--out", str(path)]
        command.main(words)
        lasts.append(read_tensors(path.read_bytes())[0])
    assert (tmp_path / "part-1.safetensors").read_bytes() == own.read_bytes()
    ends = [np.abs(lasts[0][k].astype(int) - lasts[2][k]).max() for k in lasts[0] if k.endswith("weight")]
    halves = [np.abs(lasts[0][k].astype(int) - lasts[1][k]).max() for k in lasts[0] if k.endswith("weight")]
    assert 0 < max(halves) < max(ends)
    out.rename(tmp_path / f"sdc-model-{number}.safetensors")
    monkeypatch.setenv("SDC_MODELS", str(tmp_path))
    made, plain = (
        sdc.encode(photograph(), quality=30, effort=0, preset=Preset(analysis=which))
        for which in (number, None)
    )
    assert made != plain and not plain.notes and "analysis for degraded images" in made.notes[0]
    assert sdc.info(made)["model"] == sdc.info(plain)["model"]
    shown, usual = (np.asarray(sdc.imread(data), float) for data in (made, plain))
    assert np.abs(shown - usual).mean() < 20
    with pytest.raises(sdc.SdcError, match="belongs to another model"):
        sdc.encode(photograph(), quality=30, effort=0, model=2, preset=Preset(analysis=number))
    searched = sdc.encode(photograph(), quality=30, effort=1, preset=Preset(analysis=number))
    assert searched == sdc.encode(photograph(), quality=30, effort=1) and "is not used" in searched.notes[0]
    with pytest.raises(SystemExit, match="from 0 to 1, not 50"):
        command.main([*words[:-4], "--part", "50", "--out", str(tmp_path / "wrong.safetensors")])
    assert not (tmp_path / "wrong.safetensors").exists()
    with pytest.raises(ValueError, match="of no run of the joint stage"):
        torch.save({"average": {}}, tmp_path / "other.pt")
        joint_encoder_file(tmp_path / "other.pt", "a", 1)


def colours(images: torch.Tensor) -> torch.Tensor:
    """Features of the simplest kind: mean and deviation of each channel."""
    return torch.cat([images.mean((2, 3)), images.std((2, 3))], 1)


@pytest.mark.training
@pytest.mark.slow
def test_an_adapter_on_features_of_clip_says_what_restores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
        projection_dim=8,
    )
    transformers.CLIPVisionModelWithProjection(config).save_pretrained(tmp_path / "clip")
    monkeypatch.setattr(samples, "SIZE", 64)
    monkeypatch.setattr(samples, "SHARD", 4)
    images = [torch.from_numpy(photograph(160)).permute(2, 0, 1)]
    samples.make_samples(images, 8, 5, 1, tmp_path / "samples")
    start = Path(__file__).resolve().parents[1] / "reference" / "checkpoints" / "model-4.safetensors"
    objects = [sdc.Object("a", (0, 0, 30, 30), level="L1")]
    stream = tmp_path / "a.sdc"
    stream.write_bytes(sdc.encode(photograph(), objects=objects, effort=0))
    for source in (str(tmp_path / "clip"), f"{__name__}:colours"):
        adapter, told = tmp_path / "adapter.pt", tmp_path / "told.json"
        words = ["clip", start, "--clip", source, "--samples", tmp_path / "samples", "--steps", 40]
        command.main([*map(str, words), "--batch", "4", "--out", str(adapter)])
        words = ["tell", stream, "--clip", source, "--adapter", adapter, "--out", told]
        command.main(list(map(str, words)))
        said = read_restoration_file(str(told))
        assert said.model == 4 and sorted(said.vectors) == [0, 1] and any(said.vectors[0])
        again = sdc.encode(photograph(), objects=objects, effort=0, restoration=said)
        found = sdc.decode(again, restore=True)
        assert {k: tuple(v) for k, v in said.vectors.items()} == found.vectors
        assert not np.array_equal(found.restored, found.pixels)
    for changed, wrong in (("--clip", "nothing_here"), ("--clip", f"{__name__}:BASE"), ("--adapter", told)):
        with pytest.raises(SystemExit, match=r"no folder|can be called|no adapter"):
            command.main([*map(str, words), changed, str(wrong)])
    words[words.index("--clip") + 1] = tmp_path / "clip"
    with pytest.raises(SystemExit, match="8 features, the adapter wants 6"):
        command.main(list(map(str, words)))


def test_an_adapter_learns_from_what_is_restored() -> None:
    network = some_network()
    batch = a_batch()
    torch.manual_seed(0)
    adapter = Adapter(6, 4)
    rates = []
    optimiser = torch.optim.Adam(adapter.parameters(), 1e-2)
    for _ in range(30):
        loss, _ = adapter_loss(adapter, colours, network, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rates.append(float(loss.detach()))
    assert rates[-1] < rates[0] - 0.01


class Apart(torch.nn.Module):
    """Mean difference of two batches, where ST-LPIPS stands otherwise."""

    def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return (one - other).abs().mean((1, 2, 3), keepdim=True)


class Nowhere(torch.autograd.Function):
    """Passes values on, and gradients that are no numbers in a corner."""

    @staticmethod
    def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, g: torch.Tensor) -> torch.Tensor:
        g = g.clone()
        g[..., :2, :2] = math.nan
        return g


def test_a_place_without_a_gradient_costs_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Apart):
        def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            return super().forward(Nowhere.apply(one), other)

    monkeypatch.setattr("sdc_reference.restoration.perceived.st_lpips_network", Broken)
    restored = torch.full((1, 3, 16, 16), 120.0, requires_grad=True)
    distance_by(Path("st-lpips"), torch.zeros(0), 1.0)(
        torch.zeros(1, 3, 16, 16), restored, torch.ones(1, 1, 16, 16)
    ).sum().backward()
    assert restored.grad is not None and restored.grad.isfinite().all()
    assert not restored.grad[..., :2, :2].any() and restored.grad[..., 2:, 2:].all()


@pytest.mark.training
def test_features_count_where_the_encoder_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdc_reference.restoration.perceived.st_lpips_network", Apart)
    beside = BASE.with_name("sdc-model-1-encoder.safetensors")
    network = JointNetwork(shipped_codec(BASE, beside), some_network())
    batch, quality = a_batch(), torch.full((2,), 30.0)
    slopes, figures = [], []
    for factor in (None, 0.0, 400.0):
        seen = None if factor is None else distance_by(Path("st-lpips"), torch.zeros(0), factor)
        network.zero_grad()
        torch.manual_seed(0)
        loss, said = joint_loss(network, batch, quality, seen)
        loss.backward()
        slope = network.codec.analysis.last.weight.grad
        assert slope is not None
        slopes.append(slope.clone())
        figures.append(said.tolist())
    assert torch.allclose(slopes[0], slopes[1], rtol=1e-3, atol=1e-7) and figures[0] == figures[1]
    assert not torch.allclose(slopes[1], slopes[2], rtol=1e-2)
    assert figures[2][0] > figures[1][0] and figures[2][1:3] == figures[1][1:3]
    assert figures[1][3] == 0 < figures[2][3]


def test_st_lpips_counts_by_pixel_of_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdc_reference.restoration.perceived.st_lpips_network", Apart)
    distance = distance_by(Path("st-lpips"), torch.zeros(0), 400.0)
    clean, mask = torch.full((3, 3, 16, 32), 100.0), torch.ones(3, 1, 16, 32)
    mask[1, :, :, :16] = 0
    restored = (clean + 51 * torch.tensor([1.0, 2.0, 5.0])[:, None, None, None]).requires_grad_()
    found = distance(clean, restored, mask) / mask.sum((1, 2, 3))
    assert found.tolist() == pytest.approx([400 * 0.4, 400 * 0.8, 400 * 2.0])
    found.sum().backward()
    assert not restored.grad[1, :, :, :16].any() and restored.grad[1, :, :, 16:].all()


def test_distances_that_cannot_be_helped_cost_no_more_bits() -> None:
    given = torch.tensor([0.1, 1.0, 10.0], requires_grad=True)
    (slope,) = torch.autograd.grad(tempered(given).sum(), given)
    assert torch.allclose(slope, torch.tensor([1.0, 1.0, 0.1]))


@pytest.mark.training
def test_calibration_finds_nothing_in_clean_samples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(samples, "SIZE", 64)
    monkeypatch.setattr("sdc_reference.restoration.training.CALIBRATED", (4, 4))
    images = [torch.from_numpy(photograph(160)).permute(2, 0, 1)]
    for name, clean in (("all", False), ("clean", True)):
        samples.make_samples(images, 8, 5, 1, tmp_path / name, clean)
    (mixed,), (without,) = (samples.open_samples(tmp_path / name) for name in ("all", "clean"))
    assert mixed["severity"].any() and not without["severity"].any()
    assert without["clean"].mean() < mixed["clean"].mean()
    network = some_network()
    with torch.no_grad():
        network.derive.last.weight *= 8

    def seen() -> float:
        latents, cells, quality, _ = small_batch(list(without))
        with torch.no_grad():
            return float(network.derive(latents, quality, cells).square().mean())

    before, state = seen(), {name: t.clone() for name, t in network.state_dict().items()}
    calibrate(network, [mixed], [without], 60, 1.0, 1.0, 1)
    assert seen() < before / 2
    changed = {name for name, t in network.state_dict().items() if bool((t != state[name]).any())}
    assert changed and all(name.startswith("derive.") for name in changed)
    assert not any(name.startswith(("derive.apart", "derive.joined")) for name in changed)
    # Of what is found in low light more stays where that weighs more.
    dark = np.array(mixed)
    dark["severity"] = 0
    dark["severity"][:, list(KINDS).index("low-light")] = 0.5
    latents, cells, quality, _ = small_batch(list(dark))
    moved = []
    for weight in (1.0, 50.0):
        network.load_state_dict(state)
        with torch.no_grad():
            before = network.derive.found(latents, quality, cells)
        calibrate(network, [dark], [without], 60, 1.0, weight, 1)
        with torch.no_grad():
            moved.append(float((network.derive.found(latents, quality, cells) - before).square().mean()))
    assert moved[1] < moved[0] / 2


def test_the_mean_of_two_runs_has_the_vectors_of_one(tmp_path: Path) -> None:
    network = some_network()
    first, second, out = (tmp_path / f"{name}.safetensors" for name in ("first", "second", "out"))
    save_half(first, network)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter += 1
    save_half(second, network)
    command.main(["keep", str(second), "--mean", str(first), "--out", str(out)])
    (a, _), (b, _), (found, _) = (read_own(path) for path in (first, second, out))
    apart = {name for name in found if bool((a[name] != b[name]).any())}
    assert {name.split(".")[0] for name in apart} > {"derive", "kinds", "taps", "mixers", "tone"}
    for name in apart:
        told = name.startswith(("derive.", "kinds."))
        wanted = b[name] if told else ((a[name] + b[name]) / 2).half().float()
        assert torch.allclose(found[name], wanted, atol=2e-3), name
    other = tmp_path / "other.safetensors"
    save_half(other, some_network(RestorationSizes(vector=4, seen=8, blocks=2, spatial=8, wide=8, blurred=8)))
    with pytest.raises(SystemExit, match="has other tensors"):
        command.main(["keep", str(second), "--mean", str(other), "--out", str(out)])


class Scaled(torch.nn.Module):
    """A network of one number, with a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(0.5))
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.gain * x


def plain_weights(channels: tuple[int, int] = (13, 12)) -> dict[str, torch.Tensor]:
    """Weights of a small row that passes an image on, or takes nothing from it."""
    first, last = torch.zeros(16, channels[0], 3, 3), torch.zeros(channels[1], 16, 3, 3)
    if channels[0] == 13:
        for k in range(12):
            first[k, k, 1, 1] = last[k, k, 1, 1] = 1
    biases = torch.zeros(16), torch.zeros(channels[1])
    names = ("model.0.weight", "model.0.bias", "model.2.weight", "model.2.bias")
    return dict(zip(names, (first, biases[0], last, biases[1]), strict=True))


@pytest.fixture
def clean_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "clean"
    folder.mkdir()
    Image.fromarray(photograph(96)).save(folder / "a.png")
    return folder


def test_pairs_are_what_the_codec_shows_of_degraded_crops() -> None:
    images = [torch.from_numpy(photograph(96)).permute(2, 0, 1)]
    how = Adaptation("", ("noise",), batch=3, side=32, seed=2)
    shown, clean = batch_of_pairs(images, how, 4)
    assert shown.shape == clean.shape == (3, 3, 32, 32) and 0 <= float(shown.min()) < float(shown.max()) <= 1
    again, other = (batch_of_pairs(images, how, step)[0] for step in (4, 5))
    assert bool((shown == again).all()) and bool((shown != other).any())
    rng = np.random.default_rng([2, 4])
    decoded, want = decoded_pair(images, how, rng)
    assert np.array_equal((255 * shown[0]).permute(1, 2, 0).round().numpy(), decoded)
    assert np.array_equal((255 * clean[0]).permute(1, 2, 0).round().numpy(), want)
    kinds = [random_severities(np.random.default_rng(k), ("noise", "compression")) for k in range(200)]
    assert {tuple(one) for one in kinds} == {(), ("noise",), ("compression",), ("noise", "compression")}


@pytest.mark.slow
@pytest.mark.usefixtures("steady")
def test_another_network_is_adapted_and_goes_on(tmp_path: Path, clean_folder: Path) -> None:
    torch.save(plain_weights(), tmp_path / "net.pth")
    words = ["adapt", tmp_path / "net.pth", "--data", clean_folder, "--side", 32, "--batch", 2]
    words += ["--kinds", "noise", "--rate", 0.01, "--out", tmp_path / "run", "--minutes"]
    command.main([*map(str, words), "0.01"])
    first = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    command.main([*map(str, words), "0.03"])
    second = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert (first["step"], second["step"]) == (30, 90) and math.isclose(second["seconds"], 1.8)
    adapted = torch.load(tmp_path / "run" / ADAPTED, weights_only=True)
    assert list(adapted) == list(plain_weights())
    assert all(bool((t == second["average"][name]).all()) for name, t in adapted.items())
    # The file is one that the evaluation reads, and it takes noise away, which the first did not.
    before, after = (Denoiser(path).restored for path in (tmp_path / "net.pth", tmp_path / "run" / ADAPTED))
    noisy = noise_of(photograph(), 30)
    assert np.array_equal(before(noisy), noisy)
    assert psnr(after(noisy), photograph()) > psnr(noisy, photograph()) + 0.2
    for changed in (["--kinds", "rain"], ["--level", "30"], ["--seed", "4"]):
        with pytest.raises(SystemExit, match="has a run of another network or other options"):
            command.main([*map(str, words), "0.03", *changed])


def noise_of(pixels: Pixels, sigma: float) -> Pixels:
    noisy = pixels + np.random.default_rng(1).normal(0, sigma, pixels.shape)
    made: Pixels = noisy.round().clip(0, 255).astype(np.uint8)
    return made


@pytest.mark.usefixtures("steady")
def test_any_module_is_adapted(tmp_path: Path) -> None:
    torch.save(Scaled().state_dict(), tmp_path / "net.pth")
    network = network_of(tmp_path / "net.pth", 25, f"{__name__}:Scaled")
    assert isinstance(network, Scaled)
    images = [torch.from_numpy(photograph(96)).permute(2, 0, 1)]
    how = Adaptation("", ("noise",), batch=1, side=32, rate=0.05)
    steps = adapt(network, images, how, tmp_path / "run", 0.01)
    adapted = torch.load(tmp_path / "run" / ADAPTED, weights_only=True)
    assert float(adapted["calls"]) == steps == 30 and 0.5 < float(adapted["gain"]) < 1.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.pth"], "No such file"),
        (["text.pth"], "holds no weights of torch"),
        (["list.pth"], "is no state of a module"),
        (["other.pth"], "is neither FFDNet nor DnCNN for colour"),
        (["net.pth", "--module", "no_such_module:Net"], "No module named"),
        (["net.pth", "--module", "math:Net"], "math has no 'Net'"),
        (["net.pth", "--module", "builtins:dict"], "gives no module of torch"),
        (["net.pth", "--module", f"{__name__}:Scaled"], "has not the weights of"),
        (["net.pth", "--side", "30"], "--side wants a multiple of 16"),
        (["net.pth", "--side", "64"], "no images of at least 112 pixels"),
    ],
)
def test_what_cannot_be_adapted_is_refused(
    tmp_path: Path, clean_folder: Path, words: list[str], said: str
) -> None:
    torch.save(plain_weights(), tmp_path / "net.pth")
    torch.save([1], tmp_path / "list.pth")
    torch.save({"a.weight": torch.zeros(4, 4, 3, 3), "a.bias": torch.zeros(4)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("weights")
    more = ["--data", str(clean_folder), "--out", str(tmp_path / "run"), "--minutes", "0.01"]
    with pytest.raises(SystemExit, match=re.escape(said)):
        command.main(["adapt", str(tmp_path / words[0]), *words[1:], *more])
    assert not (tmp_path / "run").exists()
