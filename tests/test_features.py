"""Features in the encoder's search: their gradient, their distance, and what the search does with them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

import sdc
from sdc.codec import features, tiles
from sdc.codec.distortion import squared_error
from sdc.codec.encoder import _features_of
from sdc.codec.features import GREY, FeatureDistance, feature_scales
from sdc.codec.tiles import pad_to_cells, pixels_of
from sdc.coding.passes import sites_of
from sdc.errors import SdcError
from sdc.format.grps import Group
from sdc.networks.backbone import COARSEST, STRIDES, Backbone, Passage, load_backbone
from sdc.networks.operators import Add, Depthwise, Operator, Pointwise, Push
from sdc.networks.profile import by_quality
from sdc.networks.registry import PRIVATE, load_encoder, load_model, models_folder
from sdc.networks.sites import Sites
from sdc.networks.tensors import read_tensors, write_tensors
from sdc.types import Array, Level
from sdc_conformance.runner.suite import VECTORS


def photograph(rows: int = 96, cols: int = 128) -> Array:
    return np.asarray(Image.open(VECTORS / "picture" / "astronaut.png").convert("RGB"))[:rows, :cols]


def whole(image: Array) -> Sites:
    """The cells of an image as one group."""
    return sites_of(np.ones([side // 16 for side in pad_to_cells(image).shape[:2]], np.uint8), [20], [0])


def distance_of(image: Array, weight: float = 1.0) -> FeatureDistance:
    padded = pad_to_cells(image)
    backbone = load_backbone()
    return FeatureDistance(backbone, feature_scales(backbone, padded), padded, whole(image), weight)


def cells(image: Array) -> Array:
    return pixels_of(pad_to_cells(image), whole(image))


# --- the network, against torch ---------------------------------------------------------------------


def rounded(x: Tensor, clamp: tuple[int, int]) -> Tensor:
    """Whole numbers between bounds; the gradient is that of what lies between them and sees no rounding."""
    whole = torch.floor(x + 0.5).clamp(*clamp).detach()
    return whole + (x - x.detach()) * ((whole > clamp[0]) & (whole < clamp[1]))


def convolved(operators: Sequence[Operator], x: Tensor, stride: int) -> Tensor:
    """The same layers as convolutions of torch, in float64."""
    stack: list[Tensor] = []
    for op in operators:
        if isinstance(op, Push):
            stack.append(x)
        elif isinstance(op, Add):
            x = rounded(x + stack.pop(), op.clamp)
        else:
            assert isinstance(op, Pointwise | Depthwise) and op.shift is not None
            scale = np.ldexp(1.0, -op.shift.astype(int))
            weight, bias = torch.from_numpy(op.weight * scale[:, None]), torch.from_numpy(op.bias * scale)
            if isinstance(op, Pointwise):
                x = functional.conv2d(x, weight[:, :, None, None], bias)
            else:
                kernel = weight.reshape(-1, 1, 3, 3)
                x = functional.conv2d(x, kernel, bias, stride, padding=1, groups=len(kernel))
            x = rounded(x, op.clamp)
    return x


def convolved_features(backbone: Backbone, image: Tensor, taps: int) -> list[Tensor]:
    (stem,) = backbone.networks["stem"]
    assert isinstance(stem, Pointwise) and stem.shift is not None
    scale = np.ldexp(1.0, -stem.shift.astype(int))
    kernel = (stem.weight * scale[:, None]).reshape(-1, 3, 3, 3).transpose(0, 3, 1, 2)
    x = image - torch.from_numpy(backbone.mean.astype(float))[:, None, None]
    x = functional.pad(x, (1, 1, 1, 1))
    x = functional.conv2d(x, torch.from_numpy(kernel), torch.from_numpy(stem.bias * scale), 2)
    x = rounded(x, stem.clamp)
    out = []
    for k, stride in enumerate(backbone.strides):
        x = convolved(backbone.networks[f"features.{k}"], x, stride)
        if k in backbone.taps:
            out.append(x)
    return out[:taps]


@pytest.mark.parametrize("taps", [1, 2, 4])
def test_features_and_their_gradient_are_those_of_convolutions(taps: int) -> None:
    backbone, rng = load_backbone(), np.random.default_rng(taps)
    image = photograph(96, 128).astype(np.int16)
    passage = Passage()
    got = backbone.features(image, taps, passage)
    assert len(got) == taps
    for a, b, stride in zip(got, backbone.features(image), STRIDES, strict=False):
        assert np.array_equal(a, b) and a.shape[:2] == (96 // stride, 128 // stride)
    x = torch.from_numpy(image.transpose(2, 0, 1).astype(float))[None].requires_grad_(True)
    want = convolved_features(backbone, x, taps)
    slopes = [rng.normal(0, 1, a.shape).astype(np.float32) for a in got]
    total = torch.zeros(())
    for a, own, slope in zip(got, want, slopes, strict=True):
        assert np.array_equal(a, own.detach().numpy()[0].transpose(1, 2, 0))
        total = total + (own[0].permute(1, 2, 0) * torch.from_numpy(slope)).sum()
    (grown,) = torch.autograd.grad(total, x)
    told = grown.numpy()[0].transpose(1, 2, 0)
    back = backbone.backward(slopes, passage)
    assert back.shape == image.shape and back.dtype == np.float32
    assert np.linalg.norm(back - told) < 0.01 * np.linalg.norm(told)


# --- the distance -----------------------------------------------------------------------------------


def test_the_distance_is_that_of_its_description() -> None:
    """By one pass over the features of both images."""
    image = photograph(90, 120)
    other = np.clip(image.astype(int) + np.random.default_rng(0).integers(-40, 41, image.shape), 0, 255)
    distance = distance_of(image, 3.0)
    assert distance(cells(image))[0] == 0
    backbone, want = load_backbone(), 0.0
    seen = []
    for pixels in (image, other.astype(np.uint8)):
        padded = pad_to_cells(pixels)
        canvas = np.empty((96, 128, 3), np.int64)
        canvas[:] = backbone.mean
        canvas[: padded.shape[0], : padded.shape[1]] = padded
        seen.append(backbone.features(canvas, 2))
    for a, b, side in zip(*seen, (4, 8), strict=True):
        variance = a.astype(float).var((0, 1))
        parts = np.square(a.astype(float) - b) / (variance + 0.1 * variance.mean() + 1)
        want += 3.0 * float(parts.mean(2).sum()) * side**2 / 2
    got, gradient = distance(cells(other.astype(np.uint8)))
    assert got == pytest.approx(want, rel=1e-5)
    assert gradient.shape == (*cells(image).shape,) and gradient.any()
    assert distance(cells(other.astype(np.uint8)), gradient=False)[0] == got


def test_windows_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    image = photograph(200, 256)
    other = np.clip(image.astype(int) + np.random.default_rng(1).integers(-30, 31, image.shape), 0, 255)
    want, slope = distance_of(image)(cells(other.astype(np.uint8)))
    monkeypatch.setattr(features, "WINDOW", COARSEST)
    distance = distance_of(image)
    assert len(distance.windows) > 4
    got, parts = distance(cells(other.astype(np.uint8)))
    assert got == pytest.approx(want, rel=1e-6)
    assert np.linalg.norm(parts - slope) < 1e-3 * np.linalg.norm(slope)


def test_windows_without_a_cell_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    image, far = np.tile(photograph(64, 64), (1, 8, 1)), np.array([1, 30])
    sites = Sites(np.array([1, 2]), far, np.zeros(2, np.int64), np.zeros(2, np.int64))
    scales = feature_scales(load_backbone(), image)
    monkeypatch.setattr(features, "WINDOW", 64)
    distance = FeatureDistance(load_backbone(), scales, image, sites)
    seen = [w.seen[1] for w in distance.windows]
    assert 2 <= len(seen) < 6 and all(s.start < 48 or s.stop > 448 for s in seen)
    changed = np.full((2, 16, 16, 3), 90)
    got, slope = distance(changed)
    monkeypatch.setattr(features._Window, "meets", lambda *_: True)
    whole = FeatureDistance(load_backbone(), scales, image, sites)
    assert len(whole.windows) > len(seen)
    want, everywhere = whole(changed)
    assert got == want > 0 and np.array_equal(slope, everywhere)


def test_the_probe_says_how_the_distance_bends() -> None:
    """For small smooth changes the mean square of its products is about the distance."""
    image = photograph(96, 112)
    told, found = 0.0, 0.0
    y, x = np.mgrid[:96, :112] / 112
    for k in range(1, 9):
        wave = 3 * np.sin(40 * (x * np.cos(k) + y * np.sin(k)))[..., None] * np.array([1, -1, 1])
        change = (np.clip(image + np.rint(wave), 0, 255) - image).astype(np.int64)
        told += float((distance_of(image).probe() * cells(change)).sum()) ** 2
        found += distance_of(image)(cells((image + change).astype(np.uint8)))[0]
    assert 0.2 < told / found < 5


def test_a_weight_falls_with_the_quality() -> None:
    weights = [by_quality((500.0, 50.0), q) for q in range(64)]
    assert weights[0] == 500 and weights[63] == pytest.approx(50)
    assert all(a > b for a, b in itertools.pairwise(weights))


def test_objects_are_seen_on_grey_and_the_rest_in_the_image() -> None:
    image = photograph(96, 96)
    labels = np.ones((6, 6), np.uint8)
    labels[2:4, 2:4] = 2
    groups = [Group(0, Level.OTHER, 10), Group(1, Level.L1, 20)]
    felt = _features_of(image, labels, groups, load_encoder(2))
    assert felt is not None and _features_of(image, labels, groups, load_encoder(1)) is None
    sites = sites_of(labels, [10, 20], [0, 1])
    rest, thing = (felt(g, sites.take(np.flatnonzero(sites.labels == g.index))) for g in groups)
    assert np.array_equal(rest.canvas, image)
    assert np.array_equal(thing.canvas[32:64, 32:64], image[32:64, 32:64])
    assert (thing.canvas[:32] == GREY).all() and (thing.canvas[32:64, 64:] == GREY).all()
    weights = load_encoder(2).feature_weights or (0, 0)
    more, less = (by_quality(weights, quality) for quality in (20, 10))
    assert thing.scales[0] == pytest.approx(more * rest.scales[0] / less) and more < less


# --- the search -------------------------------------------------------------------------------------


@pytest.fixture
def own_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Model 2 as a private model whose encoder's file says what a test wants."""
    monkeypatch.setenv("SDC_MODELS", str(tmp_path))
    shipped = models_folder()
    decoder = (shipped / "sdc-model-2.safetensors").read_bytes()
    (tmp_path / f"sdc-model-{PRIVATE}.safetensors").write_bytes(decoder)
    tensors, description = read_tensors((shipped / "sdc-model-2-encoder.safetensors").read_bytes())
    bare = {k: v for k, v in description.items() if not k.endswith(("weight", "weights"))}

    def write(**more: object) -> int:
        data = write_tensors(tensors, bare | more)
        (tmp_path / f"sdc-model-{PRIVATE}-encoder.safetensors").write_bytes(data)
        load_encoder.cache_clear()
        return PRIVATE

    load_model.cache_clear()
    yield write
    load_encoder.cache_clear()
    load_model.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("quality", [20, 36])
def test_the_distance_of_features_goes_down(quality: int, own_encoder: Any) -> None:
    image = photograph(160, 192)

    def coded(effort: int, model: int) -> tuple[int, float, float]:
        data = sdc.encode(image, quality=quality, model=model, effort=effort)
        pixels = sdc.decode(data).pixels
        error = float(np.square(pixels.astype(float) - image).sum()) / 3
        return len(data), error, distance_of(image)(cells(pixels), gradient=False)[0]

    rounded = coded(0, 2)
    by_error = coded(3, own_encoder(error_weights=[1, 1]))
    by_features = coded(3, own_encoder(feature_weights=[500, 50]))
    assert by_features[2] < 0.9 * by_error[2] and by_features[0] < 1.1 * by_error[0]
    cost = [size * 8 + 0.0006 * (error + 400 * far) for size, error, far in (rounded, by_features)]
    assert quality != 20 or cost[1] < cost[0]
    assert coded(0, own_encoder(feature_weights=[500, 50]))[1:] == rounded[1:]


def test_what_an_encoder_may_say_of_features(own_encoder: Any) -> None:
    assert load_encoder(own_encoder()).feature_weights is None
    assert load_encoder(own_encoder(feature_weights=[3, 2.5])).feature_weights == (3, 2.5)
    for wrong in (3, [], [1], [1, 2, 3], [0, 1], [1, -1], ["1", 1], [True, 1], [1, 1e6], [1, float("nan")]):
        with pytest.raises(SdcError, match=r"E_MODEL_FILE.*(feature_weights|no number of JSON)"):
            load_encoder(own_encoder(feature_weights=wrong))


def test_the_shipped_models_for_machines_alone_look_at_features() -> None:
    assert load_encoder(1).feature_weights is None
    low, high = load_encoder(2).feature_weights or (0, 0)
    assert low > high > 0


def test_in_tiles_error_and_gradient_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    image = photograph(112, 128)
    padded, sites, model = pad_to_cells(image), whole(image), load_model(2)
    latents = np.random.default_rng(0).integers(-20, 21, (len(sites), model.latents)).astype(np.float32)
    distance = distance_of(image, 100.0)
    measure = partial(squared_error, latents, sites, model, padded, image.shape[:2], features=distance)
    error, slopes = measure()
    alone, _ = squared_error(latents, sites, model, padded, image.shape[:2])
    assert error > alone and measure(gradient=False)[0] == error
    monkeypatch.setattr(tiles, "TILE_CELLS", 3)
    assert tiles.in_tiles(sites)
    again, parts = measure()
    assert again == pytest.approx(error, rel=1e-9)
    assert np.linalg.norm(parts - slopes) < 1e-3 * np.linalg.norm(slopes)
