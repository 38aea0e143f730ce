"""Trained restoration models: degradations, samples, integers against torch, a short run, figures."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import sdc
from sdc.codec.restoration import conditioned, derived_vector, weakened
from sdc.codec.transforms import synthesis_transform
from sdc.coding.passes import Symbols, sites_of
from sdc.networks.network import Network
from sdc.networks.registry import load_encoder, load_model, models_folder
from sdc.networks.restoration import RestorationModel, parse_restoration
from sdc.networks.sites import Sites
from sdc.types import Array, Pixels
from sdc_reference.evaluation.commands.restoration import (
    CAPTURED,
    RESTORED,
    Row,
    gain_at_equal_rate,
    mean_curve,
    read_rows,
    summary,
)
from sdc_reference.model.layers import set_integer
from sdc_reference.restoration import command, samples
from sdc_reference.restoration.degradations import DEGRADE, KINDS, degraded, random_severities
from sdc_reference.restoration.export import restoration_file
from sdc_reference.restoration.network import RestorationNetwork, RestorationSizes, base_synthesis
from sdc_reference.restoration.trials import TRIALS, trial_of
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


def some_network(sizes: RestorationSizes = SMALL) -> RestorationNetwork:
    """A network in which everything does something."""
    torch.manual_seed(4)
    made = RestorationNetwork(sizes, base_synthesis(BASE))
    for part in made.parameters():
        if part.requires_grad and not bool(part.detach().any()):
            torch.nn.init.normal_(part, 0, 0.05)
    return made


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


@pytest.mark.training
@pytest.mark.slow
def test_a_run_learns_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(samples, "SIZE", 64)
    monkeypatch.setattr(samples, "SHARD", 4)
    monkeypatch.setattr("sdc_reference.restoration.training.RestorationSizes", lambda: SMALL)
    monkeypatch.setattr("sdc_reference.restoration.training.TAUGHT", 4)
    monkeypatch.setattr("sdc_reference.restoration.training.EVERY", 1)
    images = [torch.from_numpy(photograph(160)).permute(2, 0, 1)]
    samples.make_samples(images, 8, 5, 1, tmp_path / "samples")
    torch.manual_seed(1)
    torch.save({f"features.{name}": t for name, t in layers().state_dict().items()}, tmp_path / "net.pth")
    words = ["train", "--samples", tmp_path / "samples", "--features", tmp_path / "net.pth", "--batch", 2]
    words += ["--out", tmp_path / "run", "--teach", 3, "--held", 2, "--minutes"]
    command.main([*map(str, words), "0.02"])
    first = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    command.main([*map(str, words), "0.04"])
    second = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert 0 < first["step"] < second["step"]
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


def row(way: str, setting: int, bpp: float, psnr: float, strength: int = 0) -> Row:
    return Row("a", "noise", strength, way, setting, bpp, psnr, 0.9)


def test_figures_compare_at_equal_rate(tmp_path: Path) -> None:
    rows = [row(RESTORED, k, 2.0**k, 30 + k, s) for k in range(3) for s in (0, 1)]
    rows += [row(CAPTURED, k, 2.0**k, 28 + k + s, s) for k in range(3) for s in (0, 1)]
    ours, other = (
        mean_curve([r for r in rows if r.way == way], lambda r: r.psnr) for way in (RESTORED, CAPTURED)
    )
    assert other == [(1.0, 28.5), (2.0, 29.5), (4.0, 30.5)]
    assert math.isclose(gain_at_equal_rate(ours, other), 1.5)
    rows += [row("AVIF", k, 2.0**k, 28.5 + k, s) for k in range(3) for s in (0, 1)]
    rows.append(replace(rows[0], image="not whole"))
    lines = list(summary(rows))
    assert lines[0].startswith("1 images")
    assert lines[4] == "| noise | 2.333 | 29.50 | 31.00 | +1.0, +2.0 | 0.9000 | 0.9000 |"
    # 1.5 dB are one and a half doublings.
    assert lines[-1] == f"| noise | +1.50 ({100 * (2**-1.5 - 1):+.0f} %) |"
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([Row.__dataclass_fields__, *(vars(r).values() for r in rows)])
    assert read_rows(path) == rows and read_rows(tmp_path / "none.csv") == []
    assert math.isnan(gain_at_equal_rate([(1.0, 1.0), (2.0, 2.0)], [(3.0, 1.0), (4.0, 2.0)]))
