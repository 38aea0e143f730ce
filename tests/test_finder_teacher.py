"""The teacher of the default analysis: what a head learns on a transformer's tokens, and what it teaches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sdc_reference.finder.command import main
from sdc_reference.finder.network import FinderNetwork
from sdc_reference.finder.samples import Sample, load
from sdc_reference.finder.teacher import taught, things_by, tokens_of, transformer
from sdc_reference.training.transformer import VisionTransformer

WIDTH, STRIDE, DEPTH = 64, 14, 4


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a small random transformer."""
    torch.manual_seed(1)
    state = {"patch.weight": torch.randn(WIDTH, 3, STRIDE, STRIDE) * 0.05, "pos": torch.zeros(1, 9, WIDTH)}
    network = VisionTransformer(state | {f"blocks.{k}.ls1": torch.ones(WIDTH) for k in range(DEPTH)})
    path = tmp_path_factory.mktemp("teacher") / "vit.pt"
    torch.save(network.state_dict() | state, path)
    return path


def sample(seed: int, labelled: bool = True) -> Sample:
    """A bright thing on dark ground, 42 x 56 pixels, anywhere."""
    rng = np.random.default_rng(seed)
    thing = np.zeros((42, 56), np.uint8)
    y, x = int(rng.integers(0, 20)), int(rng.integers(0, 30))
    thing[y : y + 20, x : x + 24] = 255
    image = (thing[..., None] * 0.7 + rng.integers(0, 40, (42, 56, 3))).astype(np.uint8)
    other = np.zeros_like(thing)
    return Sample(image, thing, thing // 2, other, other, other, labelled)


def test_a_head_learns_what_is_outlined_and_teaches_the_rest(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outlined, rest, out = (tmp_path / name for name in ("outlined", "rest", "out"))
    for folder in (outlined, rest):
        folder.mkdir()
    for k in range(8):
        sample(k).save(outlined / f"{k}.npz")
    unknown = sample(20, labelled=False)
    unknown.save(outlined / "unknown.npz")
    blank = np.zeros_like(unknown.thing)
    Sample(unknown.image, blank, blank, blank, blank, blank, False).save(rest / "unknown.npz")
    sample(21).save(rest / "known.npz")
    words = ["--weights", str(weights)]
    head = ["head", "--samples", str(outlined), *words, "--out", str(tmp_path / "heads.pt")]
    main([*head, "--heads", "2", "--steps", "60"])
    assert "8 outlined samples, 2 heads, 60 steps" in capsys.readouterr().out
    soft = ["teach", "--samples", str(rest), *words, "--heads", str(tmp_path / "heads.pt"), "--out", str(out)]
    main(soft)
    main(soft)
    assert capsys.readouterr().out == "2 of 2 samples taught\n0 of 2 samples taught\n"
    assert sorted(path.name for path in out.iterdir()) == ["known.npz", "unknown.npz"]
    found = load(out / "unknown.npz")
    on, off = (found.thing[at].mean() for at in (unknown.thing > 0, unknown.thing == 0))
    assert on > 80 and off < 40  # the teacher counts for a half, and blank maps for the other
    assert np.array_equal(found.image, unknown.image) and not found.labelled
    known = load(out / "known.npz")
    assert known.thing[sample(21).thing > 0].min() >= 170  # outlines count for two thirds


def test_the_means_of_a_sample_and_its_teacher() -> None:
    values = torch.tensor([[1.0, 0.5, 0.0]])
    row = [np.array([[200, 4, 100]], np.uint8), np.array([[100, 4, 100]], np.uint8)]
    rest = [np.zeros((1, 3), np.uint8)] * 3
    image = np.zeros((1, 3, 3), np.uint8)
    alone = taught(Sample(image, *row, *rest, False), values)
    assert alone.thing.tolist() == [[228, 66, 50]] and alone.main.tolist() == [[171, 63, 50]]
    outlined = taught(Sample(image, *row, *rest, True), values)
    assert outlined.thing.tolist() == [[218, 45, 67]]
    assert outlined.main.tolist() == [[109, 4, 67]]  # its part of the thing stays, where there is one


def test_tokens_follow_the_sides_of_an_image(weights: Path) -> None:
    network = transformer(weights)
    assert tokens_of(network, np.zeros((100, 200, 3), np.uint8)).shape == (3 * WIDTH, 14, 28)
    assert tokens_of(network, np.zeros((300, 2, 3), np.uint8)).shape == (3 * WIDTH, 28, 1)
    head = torch.nn.Conv2d(3 * WIDTH, 1, 1)
    found = things_by(network, [lambda tokens: head(tokens)[:, 0]], np.zeros((10, 30, 3), np.uint8))
    assert found.shape == (10, 30)


def test_what_teaches_nothing_is_said(tmp_path: Path, weights: Path) -> None:
    sample(1, labelled=False).save(tmp_path / "one.npz")
    words = ["head", "--samples", str(tmp_path), "--out", str(tmp_path / "heads.pt"), "--weights"]
    with pytest.raises(SystemExit, match="no sample that people have outlined"):
        main([*words, str(weights)])
    torch.save(FinderNetwork().state_dict(), tmp_path / "other.pt")
    with pytest.raises(SystemExit, match=r"other\.pt"):
        main([*words, str(tmp_path / "other.pt")])
    with pytest.raises(SystemExit, match="nothing"):
        main([*words, str(tmp_path / "nothing.pt")])
    assert not (tmp_path / "heads.pt").exists()
    teach_words = [
        "teach",
        "--samples",
        str(tmp_path),
        "--out",
        str(tmp_path / "taught"),
        "--weights",
        str(weights),
    ]
    for name in ("other.pt", "text.pt"):
        (tmp_path / "text.pt").write_text("heads")
        with pytest.raises(SystemExit, match=f"{name}: no heads of a teacher"):
            main([*teach_words, "--heads", str(tmp_path / name)])
    export_words = ["export", "--samples", str(tmp_path), "--out", str(tmp_path / "out"), "--network"]
    with pytest.raises(SystemExit, match=r"other\.pt is of no run of this network"):
        main([*export_words, str(tmp_path / "other.pt")])
    assert not (tmp_path / "out").exists() and not (tmp_path / "taught").exists()


def test_the_place_of_the_class_token_may_stand_first(weights: Path) -> None:
    alone = torch.load(weights, weights_only=True)
    upstream = alone | {"pos": torch.cat([alone["cls"], alone["pos"]], 1)}
    torch.manual_seed(0)
    image = torch.randn(1, 3, 56, 42)
    told = []
    for state in (alone, upstream):
        network = VisionTransformer(state)
        network.load_state_dict(state)
        told.append(network(image))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*told, strict=True))
    with pytest.raises(ValueError, match="a table of 12 places is of no square"):
        VisionTransformer(alone | {"pos": torch.zeros(1, 12, alone["pos"].shape[2])})
