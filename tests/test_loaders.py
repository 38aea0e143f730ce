"""Data sets of torch and the handler of webdataset, in real data loaders with two workers.

Without torch and torchvision nothing here can run; without webdataset its tests are skipped.
"""

from __future__ import annotations

import gzip
import io
import multiprocessing
import pickle
import tarfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from noted_file import Noted

import sdc
from sdc import core
from sdc.errors import SdcError
from sdc.objects.cells import to_pixels
from sdc.objects.classes import COCO_IDS
from sdc.testing.streams import random_stream

torch = pytest.importorskip("torch")
plugin = pytest.importorskip("sdc.plugins.torch")
from torch.utils.data import DataLoader  # noqa: E402
from torchvision import tv_tensors  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from sdc_reference.evaluation.throttle import served  # noqa: E402

SIZE = (70, 50)
CAT = np.zeros((20, 30), bool)
CAT[5:, 3:] = True
CAT[0, 0] = CAT[-1, -1] = True


def stream(shade: int = 0) -> bytes:
    """L1 with a cat that has a mask, L2 with a kite that has none, and other; objects behind the groups."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    pixels = np.stack([x * 3, y * 5, (255 - x + shade) % 256], 2).astype(np.uint8)
    objects = [
        sdc.Object("cat", (4, 4, 30, 20), sdc.Level.L1, 0.8, mask=CAT),
        sdc.Object("My kite", (48, 32, 16, 18), sdc.Level.L2),
    ]
    return sdc.encode(pixels, objects=objects, quality=40, effort=0, pixel_masks=True)


STREAMS = [stream(8 * k) for k in range(6)]
L1_END = sdc.open(STREAMS[0]).prefix_size(levels="L1")
GROUPS_END = sdc.open(STREAMS[0]).prefix_size()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "streams"
    made.mkdir()
    for k, data in enumerate(STREAMS):
        (made / f"{k}.sdc").write_bytes(data)
    return made


def shards_in(folder: Path, each: int = 2) -> list[Path]:
    """Tar files with a few streams each, and a class beside every stream."""
    paths = []
    for first in range(0, len(STREAMS), each):
        path = folder / f"{first}.tar"
        with tarfile.open(path, "w") as tar:
            for k in range(first, first + each):
                for name, data in ((f"{k}.cls", b"%d" % k), (f"{k}.sdc", STREAMS[k])):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        paths.append(path)
    return paths


def keys(items: Any) -> list[int]:
    """Numbers of the streams of items, by their paths."""
    return [int(Path(target["path"]).stem) for _, target in items]


# --- samples ------------------------------------------------------------------------------------------


def test_a_sample_is_what_the_decoder_gives(folder: Path) -> None:
    images = plugin.SdcDataset(folder, ["L1", "other"], masks=True)
    assert len(images) == 6
    image, target = images[1]
    want = sdc.decode(STREAMS[1], levels=["L1", "other"])
    assert isinstance(image, tv_tensors.Image) and image.dtype == torch.uint8
    assert np.array_equal(image.permute(1, 2, 0), want.pixels)
    assert np.array_equal(target["covered"], want.covered) and not want.covered.all()
    cells = to_pixels(want.stream.labels)[: SIZE[1], : SIZE[0]]
    assert np.array_equal(target["group_map"], cells)
    levels = target["group_levels"][target["group_map"]]
    assert np.array_equal(levels[20, 20], 1) and levels[40, 56] == 2 and levels[0, 69] == 4
    assert np.array_equal((levels == 1) | (levels == 4), want.covered)
    # The kite is of L2, which was not asked for.
    assert target["boxes"].tolist() == [[4, 4, 34, 24]] and target["boxes"].canvas_size == SIZE[::-1]
    assert target["labels"].tolist() == [COCO_IDS["cat"]] and target["levels"].tolist() == [1]
    assert target["scores"].tolist() == [pytest.approx(0.8)]
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[4:24, 4:34] = CAT
    assert np.array_equal(target["masks"], mask[None]) and target["masked"].tolist() == [True]
    assert (target["image_id"], target["path"]) == (1, str(folder / "1.sdc"))
    _, last = images[-1]
    assert last["image_id"] == 5


def test_a_restored_image(folder: Path) -> None:
    image, target = plugin.SdcDataset(folder, "L1", restore=True, strength=0.5)[0]
    want = sdc.decode(STREAMS[0], levels="L1", restore=True, strength=0.5)
    assert torch.equal(image, torch.from_numpy(want.restored).permute(2, 0, 1))
    assert not np.array_equal(want.pixels, want.restored) and "boxes" in target
    with pytest.raises(SdcError, match="a strength of restoration is 0 to 1, not 2"):
        plugin.SdcDataset(folder, restore=True, strength=2)


def test_categories_choose_objects_and_give_their_numbers(folder: Path) -> None:
    def labels(**options: Any) -> list[int]:
        return plugin.SdcDataset(folder, **options)[0][1]["labels"].tolist()

    assert labels() == [COCO_IDS["cat"], -1]
    assert labels(categories=["dog", "my KITE"]) == [1]
    assert labels(categories={"cat": 7, "my kite": 3}) == [7, 3]
    _, target = plugin.SdcDataset(folder, masks=True, categories=["my kite"])[0]
    assert target["masked"].tolist() == [False] and int(target["masks"].sum()) == 16 * 18
    _, target = plugin.SdcDataset(folder, masks=True, categories=["dog"])[0]
    assert target["boxes"].shape == (0, 4) and target["masks"].shape == (0, *SIZE[::-1])
    assert "boxes" not in plugin.SdcDataset(folder, objects=False)[0][1]
    for wrong in ("cat", {"cat": 1, "Cat": 2}):
        with pytest.raises(SdcError, match="E_USAGE"):
            plugin.SdcDataset(folder, categories=wrong)
    with pytest.raises(SdcError, match="a level is one of"):
        plugin.SdcDataset(folder, "L9")
    with pytest.raises(SdcError, match="raise, skip, none"):
        plugin.SdcDataset(folder, errors="ignore")


def test_no_more_is_read_than_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdc.file.BLOCK", 0)
    files: list[Noted] = []

    def opener(path: str) -> Noted:
        files.append(Noted(STREAMS[int(path)]))
        return files[-1]

    def spans() -> list[tuple[int, int]]:
        """What was read since the last call, each from its first byte to behind its last."""
        return [(at, at + size) for file in files for at, size in file.taken()]

    images = plugin.SdcDataset(["0", "1"], "L1", opener=opener)
    start = sdc.open(STREAMS[0]).groups[0].offset
    found = images.objects(0)
    assert [(o.label, o.mask) for o in found] == [("cat", None)]
    read = spans()
    assert read and not [(a, b) for a, b in read if b > max(a, start) and a < GROUPS_END]
    images[0]
    read = spans()
    assert not [(a, b) for a, b in read if b > max(a, L1_END) and a < GROUPS_END]
    assert (start, L1_END) in read


def test_transforms_turn_all_parts_alike(folder: Path) -> None:
    plain, flipped = (
        plugin.SdcDataset(folder, "L1", masks=True, transforms=t)[0]
        for t in (None, v2.RandomHorizontalFlip(1))
    )
    for before, after in ((plain[0], flipped[0]), *((plain[1][k], flipped[1][k]) for k in plain[1])):
        if isinstance(before, tv_tensors.BoundingBoxes):
            assert after.tolist() == [[70 - r, t, 70 - left, b] for left, t, r, b in before.tolist()]
        elif isinstance(before, tv_tensors.TVTensor):
            assert type(after) is type(before) and torch.equal(after, before.flip(-1))
            assert not torch.equal(after, before)
    beside = ("labels", "scores", "levels", "masked")
    some = v2.Compose(
        [
            v2.RandomCrop((20, 34), pad_if_needed=True),
            v2.Resize((40, 68)),
            v2.RandomRotation(10),
            v2.ClampBoundingBoxes(),
            v2.SanitizeBoundingBoxes(labels_getter=lambda sample: [sample[1][k] for k in beside]),
            v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
        ]
    )
    image, target = plugin.SdcDataset(folder, masks=True, transforms=some)[0]
    assert image.dtype == torch.float32 and float(image.max()) <= 1
    assert {target[k].shape[-2:] for k in ("masks", "group_map", "covered")} == {(40, 68)}
    assert len({len(target[k]) for k in ("boxes", "masks", *beside)}) == 1
    assert set(target["group_map"].unique().tolist()) <= {0, 1, 2, 3}


@pytest.mark.slow
@pytest.mark.long
def test_a_detector_of_torchvision_learns_from_a_batch(folder: Path) -> None:
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    torch.manual_seed(0)
    images = plugin.SdcDataset(folder, categories={"cat": 1, "my kite": 2}, transforms=v2.ToDtype(
        {tv_tensors.Image: torch.float32, "others": None}, scale=True))  # fmt: skip
    model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)
    (batch,) = DataLoader(images, batch_size=6, collate_fn=plugin.collate)
    losses = model(*batch)
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total) and losses["bbox_regression"].item() > 0


# --- workers --------------------------------------------------------------------------------------------


def with_threads(image: Any, target: Any) -> Any:
    """A transform that says with how many threads the core computes."""
    return image, target | {"threads": core.threads()}


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_compute_with_one_thread_and_give_the_same(folder: Path, start: str) -> None:
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {start} processes")
    (folder / "3.sdc").write_bytes(STREAMS[3][: L1_END - 3])
    sdc.decode(STREAMS[0], threads=2)  # threads of the parent are no matter to those that are forked
    images = plugin.SdcDataset(folder, "L1", errors="skip", transforms=with_threads)
    loader = DataLoader(images, 2, num_workers=2, collate_fn=plugin.collate, multiprocessing_context=start)
    batches = list(loader)
    assert [keys(zip(*batch, strict=True)) for batch in batches] == [[0, 1], [2], [4, 5]]
    assert {t["threads"] for _, targets in batches for t in targets} == {1}
    assert images.skipped == 1
    for image, target in (pair for batch in batches for pair in zip(*batch, strict=True)):
        k = target["image_id"]
        assert np.array_equal(image.permute(1, 2, 0), sdc.decode(STREAMS[k], levels="L1").pixels)


def test_a_data_set_can_be_pickled(folder: Path) -> None:
    images = pickle.loads(pickle.dumps(plugin.SdcDataset(folder, "L1", categories=["cat"])))
    assert images[0][1]["labels"].tolist() == [0]
    images = pickle.loads(pickle.dumps(plugin.SdcShards([folder / "x.tar"], "L1")))
    assert images.shards == [str(folder / "x.tar")]


# --- what is missing ----------------------------------------------------------------------------------


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


BROKEN = {
    "a group is cut off": ("E_GROUP_TRUNCATED", STREAMS[0][: L1_END - 3]),
    "a group is damaged": ("E_GROUP_DAMAGED", damaged(STREAMS[0], L1_END - 3)),
    "a group is withdrawn": ("E_GROUP_WITHDRAWN", sdc.extract(STREAMS[0], levels="other")),
    "the objects are cut off": ("E_CHUNK_DAMAGED", STREAMS[0][: GROUPS_END + 4]),
    "the objects are damaged": ("E_CHUNK_DAMAGED", damaged(STREAMS[0], GROUPS_END + 4)),
    "the file ends before the objects": ("E_CHUNK_DAMAGED", STREAMS[0][: L1_END + 1]),
    "no such level": ("E_USAGE", random_stream(1, width=40, height=40, count=1, amplitude=9).data),
    "no stream": ("E_MAGIC", b"GIF89a"),
    "nothing": ("E_MAGIC", b""),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_missing_is_said_as_the_policy_has_it(case: str, folder: Path) -> None:
    code, data = BROKEN[case]
    if case == "no such level":
        assert sdc.Level.L1 not in sdc.open(data).levels
    (folder / "2.sdc").write_bytes(data)
    path = str(folder / "2.sdc")
    with pytest.raises(SdcError, match=code) as caught:
        plugin.SdcDataset(folder, "L1")[2]
    assert caught.value.code == code and path in str(caught.value)
    for errors, want in (("none", [None]), ("skip", [])):
        images = plugin.SdcDataset(folder, "L1", errors=errors)
        with pytest.warns(UserWarning, match="2.sdc"):
            (batch,) = DataLoader(images, 6, collate_fn=list)
        assert [one for one in batch if one is None] == want and len(batch) == 5 + len(want)
        assert images.skipped == 1


@pytest.mark.parametrize("start", [0, 1])
def test_an_image_without_objects_is_an_example_where_it_is_asked_for(start: int, folder: Path) -> None:
    data = sdc.encode(np.full((37, 53, 3), 200, np.uint8), objects=[], quality=40, effort=0)
    assert sdc.open(data).levels == ("other",)
    (folder / "2.sdc").write_bytes(data)
    (folder / "4.sdc").write_bytes(sdc.extract(STREAMS[4], levels="other"))  # L1 is withdrawn: no such image
    levels, options = "L1,L2,L3", {"masks": True, "fill": (1, 2, 3)}
    with pytest.raises(SdcError, match="with empty=True"):
        plugin.SdcDataset(folder, levels, **options)[2]
    images = plugin.SdcDataset(folder, levels, empty=True, errors="skip", **options)
    if start:
        ((batch, targets),) = DataLoader(images, 6, num_workers=1, collate_fn=plugin.collate)
    else:
        with pytest.warns(UserWarning, match=r"4.sdc"):
            batch, targets = plugin.collate(images.__getitems__(range(6)))
    assert [target["image_id"] for target in targets] == [0, 1, 2, 3, 5] and images.skipped == 1
    image, target = batch[2], targets[2]
    fill = torch.tensor([1, 2, 3], dtype=torch.uint8)[:, None, None].expand(3, 37, 53)
    assert isinstance(image, tv_tensors.Image) and torch.equal(image, fill)
    assert not target["covered"].any() and target["group_map"].shape == (37, 53)
    assert target["group_levels"].tolist() == [0, 4] and target["boxes"].canvas_size == (37, 53)
    other = targets[0]
    assert set(target) == set(other) and len(other["boxes"]) == 2
    for name in ("boxes", "labels", "scores", "levels", "masks", "masked"):
        assert target[name].dtype == other[name].dtype and type(target[name]) is type(other[name])
        assert target[name].dim() == other[name].dim() and len(target[name]) == 0
    assert target["boxes"].shape == (0, 4) and target["masks"].shape == (0, 37, 53)


def test_what_was_not_asked_for_may_be_missing(folder: Path) -> None:
    (folder / "0.sdc").write_bytes(damaged(STREAMS[0], GROUPS_END - 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, target = plugin.SdcDataset(folder, "L1")[0]
        assert target["labels"].tolist() == [COCO_IDS["cat"]]
        cut = STREAMS[0][:L1_END]
        plugin.Decode("L1", objects=False)(cut)
        # A level that the stream has not, beside one that it has.
        _, target = plugin.Decode("L1,L3")(STREAMS[0])
    assert 0 < int(target["covered"].sum()) < SIZE[0] * SIZE[1]


def test_what_is_no_file_is_found_when_the_folder_is_listed(folder: Path) -> None:
    (folder / "9.sdc").symlink_to(folder / "gone")
    with pytest.raises(SdcError, match=r"E_INPUT: .*9.sdc"):
        plugin.SdcDataset(folder)
    with pytest.warns(UserWarning, match=r"9.sdc"):
        images = plugin.SdcDataset(folder, errors="skip")
    assert (len(images), images.skipped) == (6, 1)
    with pytest.raises(SdcError, match="E_INPUT"):
        plugin.SdcDataset([])
    (folder / "empty").mkdir()
    with pytest.raises(SdcError, match="holds no stream"):
        plugin.SdcDataset(folder / "empty")
    with pytest.raises(SdcError, match="no such file"):
        plugin.SdcDataset(folder / "gone.sdc")[0]


@pytest.mark.slow
def test_an_error_in_a_worker_ends_the_loop_in_the_same_words(folder: Path) -> None:
    (folder / "3.sdc").write_bytes(b"GIF89a")
    with pytest.raises(RuntimeError, match=r"E_MAGIC: .*3.sdc"):
        list(DataLoader(plugin.SdcDataset(folder), None, num_workers=2))


# --- URLs -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_of_urls_no_more_is_fetched_than_is_asked_for(tmp_path: Path) -> None:
    data = random_stream(3, width=800, height=600, count=4, amplitude=2047, extras=True).data
    for k in range(4):
        (tmp_path / f"{k}.sdc").write_bytes(data)
    access = sdc.Access(private=True)
    with served(tmp_path, 1e9) as (url, line):
        with sdc.open(f"{url}0.sdc", access=access) as file:
            file.read("L1")
            file.fetch_objects()
            received = file.transfer.received
            assert received < 0.7 * len(data)
            before = line.sent
        paths = [f"{url}{k}.sdc" for k in (0, 1, 2, 3, 9)]
        images = plugin.SdcDataset(paths, "L1", errors="skip", access=access)
        loader = DataLoader(images, 5, num_workers=2, collate_fn=plugin.collate)
        ((decoded, targets),) = loader
        assert keys(zip(decoded, targets, strict=True)) == [0, 1, 2, 3] and images.skipped == 1
        assert line.sent - before == 4 * received
        want = sdc.decode(data, levels="L1").pixels
        assert all(np.array_equal(image.permute(1, 2, 0), want) for image in decoded)
        with pytest.raises(SdcError, match="private network") as caught:
            plugin.SdcDataset([f"{url}0.sdc?token=secret"])[0]
        assert "secret" not in str(caught.value)


# --- shards ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_shards_are_split_over_ranks_and_workers(tmp_path: Path) -> None:
    paths = shards_in(tmp_path, 1)
    found = []
    for rank in range(2):
        images = plugin.SdcShards(paths, "L1", rank=rank, world=2)
        own = keys(DataLoader(images, None, num_workers=2))
        assert len(own) == 3
        found += own
    assert sorted(found) == list(range(6))


def test_shards_give_what_files_give(tmp_path: Path, folder: Path) -> None:
    paths = shards_in(tmp_path)
    (tmp_path / "0.tar.gz").write_bytes(gzip.compress(paths[0].read_bytes()))
    images = plugin.SdcShards([tmp_path / "0.tar.gz", *paths[1:]], "L1", masks=True)
    files = plugin.SdcDataset(folder, "L1", masks=True)
    found = list(images)
    assert keys(found) == list(range(6))
    assert found[3][1]["path"] == f"{paths[1]}/3.sdc"
    for (image, target), (want, wanted) in zip(found, files, strict=False):
        assert torch.equal(image, want)
        assert all(torch.equal(target[k], wanted[k]) for k in wanted if isinstance(wanted[k], torch.Tensor))
    access = sdc.Access(private=True)
    with served(tmp_path, 1e9) as (url, _):
        remote = plugin.SdcShards([f"{url}2.tar"], "L1", access=access)
        assert keys(remote) == [2, 3]


def test_shards_are_shuffled_by_epoch_and_seed(tmp_path: Path) -> None:
    paths = shards_in(tmp_path, 1)
    images = plugin.SdcShards(paths, "L1", shuffle=3, seed=1, objects=False)
    orders = []
    for epoch in range(4):
        images.set_epoch(epoch)
        orders.append(tuple(keys(images)))
        assert orders[-1] == tuple(keys(images)) and sorted(orders[-1]) == list(range(6))
    assert len(set(orders)) > 1
    ranks = [plugin.SdcShards(paths, "L1", shuffle=3, seed=1, rank=r, world=2) for r in range(2)]
    assert sorted(keys(ranks[0]) + keys(ranks[1])) == list(range(6))


def test_ranks_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = shards_in(tmp_path)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert keys(plugin.SdcShards(paths, "L1")) == [2, 3]
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(SdcError, match="4 ranks need as many shards, not 3"):
        plugin.SdcShards(paths)
    with pytest.raises(SdcError, match="given together"):
        plugin.SdcShards(paths, rank=1)
    with pytest.raises(SdcError, match="ranks count from 0"):
        plugin.SdcShards(paths, rank=2, world=2)


def test_a_shard_that_ends_too_early_is_said(tmp_path: Path) -> None:
    (path,) = shards_in(tmp_path, 6)
    whole = path.read_bytes()
    with tarfile.open(path) as tar:
        starts = {m.name: m.offset for m in tar}
    cases = {
        "within a stream": (whole[: starts["2.sdc"] + 600], [0, 1]),
        "between two files": (whole[: starts["3.cls"]], [0, 1, 2]),
        "within a header": (whole[: starts["3.cls"] + 100], [0, 1, 2]),
        "a damaged header": (damaged(whole, starts["3.cls"]), [0, 1, 2]),
    }
    for case, (data, left) in cases.items():
        path.write_bytes(data)
        images = plugin.SdcShards(path, "L1", errors="skip")
        with pytest.warns(UserWarning, match=r"E_IO: .*0\.tar"):
            assert keys(images) == left, case
        assert images.skipped == 1
        with pytest.raises(SdcError, match=r"E_IO: .*0\.tar"):
            list(plugin.SdcShards(path, "L1"))
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"))
    with pytest.raises(SdcError, match="the shard holds no stream"):
        list(plugin.SdcShards(path))


def test_a_damaged_stream_in_a_shard_is_said(tmp_path: Path) -> None:
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w") as tar:
        for k, data in enumerate((STREAMS[0], STREAMS[1][: L1_END - 3], STREAMS[2])):
            member = tarfile.TarInfo(f"{k}.sdc")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    with pytest.raises(SdcError, match=r"E_GROUP_TRUNCATED: .*0.tar/1.sdc"):
        list(plugin.SdcShards(path, "L1"))
    for errors, count in (("skip", 2), ("none", 3)):
        images = plugin.SdcShards(path, "L1", errors=errors)
        with pytest.warns(UserWarning, match=r"1.sdc"):
            found = list(images)
        assert len(found) == count and images.skipped == 1
    assert found[1] is None


# --- webdataset ------------------------------------------------------------------------------------------


@pytest.fixture
def wds() -> Any:
    return pytest.importorskip("webdataset", reason="webdataset is not installed; the extra test has it")


@pytest.mark.slow
def test_webdataset_decodes_streams(tmp_path: Path, wds: Any) -> None:
    from sdc.plugins.webdataset import Handler

    with wds.ShardWriter(str(tmp_path / "%02d.tar"), maxcount=3, verbose=0) as writer:
        for k, data in enumerate(STREAMS):
            data = data[: L1_END - 3] if k == 4 else data
            writer.write({"__key__": f"{k}", "sdc": data, "cls": k})
    shards = sorted(map(str, tmp_path.glob("*.tar")))
    assert len(shards) == 2

    def samples(handler: Any) -> Any:
        whole = wds.WebDataset(shards, shardshuffle=False)
        return whole.decode(Handler("L1"), handler=handler).to_tuple("sdc", "cls")

    seen = set()
    for (image, target), number in DataLoader(samples(wds.ignore_and_continue), None, num_workers=2):
        want = sdc.decode(STREAMS[number], levels="L1")
        assert np.array_equal(image.permute(1, 2, 0), want.pixels)
        assert target["labels"].tolist() == [COCO_IDS["cat"]] and "path" not in target
        seen.add(number)
    assert seen == {0, 1, 2, 3, 5}
    with pytest.raises(wds.autodecode.DecodingError) as caught:
        list(samples(wds.reraise_exception))
    assert isinstance(caught.value.__cause__, sdc.PartialError)
    # The same shards without the library.
    images = plugin.SdcShards(shards, "L1", errors="skip")
    with pytest.warns(UserWarning, match="E_GROUP_TRUNCATED"):
        assert keys(images) == [0, 1, 2, 3, 5]


def test_the_handler_leaves_other_files_alone(wds: Any) -> None:
    from sdc.plugins.webdataset import Handler

    decode = wds.autodecode.Decoder([Handler("L1", objects=False)])
    found = decode({"__key__": "x", "left.sdc": STREAMS[0], "txt": b"words"})
    assert found["txt"] == "words" and found["left.sdc"][0].shape == (3, *SIZE[::-1])
