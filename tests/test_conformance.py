"""The conformance suite: vectors, runner, traceability and the decoders with planted bugs."""

from __future__ import annotations

import ast
import base64
import copy
import functools
import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import types
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from sdc.coding.labels import encode_map
from sdc.coding.rans import Encoder
from sdc.format.build import build
from sdc.format.parse import parse
from sdc.networks.operators import Clamped
from sdc.networks.registry import load_model
from sdc.networks.run import run
from sdc.networks.sites import Sites
from sdc_conformance import fuzz, shrink, trace
from sdc_conformance.adapter import answer
from sdc_conformance.make import maps, photos, registry, second_model, stages, vectors
from sdc_conformance.make.streams import compose, escaping, small
from sdc_conformance.mutants import encoders, enemies, plant, survey
from sdc_conformance.mutants.catalogue import MUTANTS
from sdc_conformance.runner.checks import Failure, check_answer
from sdc_conformance.runner.command import skip_list
from sdc_conformance.runner.report import text_of
from sdc_conformance.runner.run import Report
from sdc_conformance.runner.run import run as run_suite
from sdc_conformance.runner.streams import check_safe_chunks, check_stream
from sdc_conformance.runner.suite import KEYS, LADDER, TIERS_ALL, VECTORS, Question, Suite
from sdc_conformance.runner.worker import Options

ROOM = VECTORS.parent
ADAPTER = [sys.executable, "-m", "sdc_conformance.adapter"]
JOBS = min(4, os.cpu_count() or 1)
CLASSES = {
    "valid",
    "uncommon",
    "partial",
    "forward",
    "invalid",
    "edit",
    "model",
    "restored",
    "photo",
    "picture",
}


@functools.cache
def suite() -> Suite:
    return Suite.load()


@functools.cache
def manifest() -> Any:
    return suite().manifest


# --- vectors --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_manifest_keeps_its_schema() -> None:
    schema = json.loads((VECTORS / "manifest.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(manifest(), schema)


def test_files_are_those_of_the_manifest_and_small() -> None:
    assert suite().check() == []
    named = {e["file"] for e in manifest()["vectors"]} | set(manifest()["stages"])
    named |= {row["file"] for row in manifest()["models"].values() if "file" in row}
    named |= {"manifest.json", "manifest.schema.json"}
    found = {str(p.relative_to(VECTORS)) for p in VECTORS.rglob("*") if p.is_file()}
    assert found == named
    assert sum((VECTORS / name).stat().st_size for name in found) < 3_000_000
    assert {e["class"] for e in manifest()["vectors"]} == CLASSES
    small_ones = [e for e in manifest()["vectors"] if e["class"] == "invalid"]
    assert sum(e["bytes"] < 300 for e in small_ones) > 0.9 * len(small_ones)
    assert all(e["file"].startswith(e["class"] + "/") for e in manifest()["vectors"])


@pytest.mark.slow
def test_making_them_again_gives_the_same_bytes() -> None:
    files = vectors.everything()
    stale = [name for name, data in files.items() if (VECTORS / name).read_bytes() != data]
    assert stale == [], "run python -m sdc_conformance.make --write"


def test_the_second_coder_of_label_maps_writes_what_the_codec_writes() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        count, shape = int(rng.integers(1, 6)), rng.integers(1, 9, 2)
        labels = rng.integers(0, count + 1, shape).astype(np.uint8)
        labels[rng.random(shape) < 0.6] = labels[0, 0]
        encoder = Encoder()
        maps.put_map(encoder, labels, count)
        assert encoder.finish() == encode_map(labels, count)


@pytest.mark.slow
def test_photographs_are_encoded_anew_for_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("photo", "picture"):
        (tmp_path / name).mkdir()
    picture, stream = "picture/rocket.png", "photo/rocket-levels.sdc"
    (tmp_path / picture).write_bytes((VECTORS / picture).read_bytes())
    monkeypatch.setattr(photos, "VECTORS", tmp_path)
    fresh = photos.encoded("rocket-levels")
    assert parse(fresh).head.weights == load_model(photos.MODEL).weights
    (tmp_path / stream).write_bytes(suite().data(stream))
    assert photos.encoded("rocket-levels") == suite().data(stream)
    old = parse(fresh)
    (tmp_path / stream).write_bytes(build(replace(old, head=replace(old.head, weights=bytes(4)))))
    assert photos.encoded("rocket-levels") == fresh


def test_pictures_are_those_of_the_photographs() -> None:
    pytest.importorskip("skimage")
    for name, source in photos.PHOTOGRAPHS.items():
        assert np.array_equal(np.asarray(source.pixels()), photos.picture(name))


def test_prefixes_have_no_gap() -> None:
    rules = [(e["bytes"], e["rule"]) for e in manifest()["vectors"] if "rule" in e]
    assert len(rules) >= 12
    for size, rule in rules:
        steps = rule["prefixes"]
        assert [s["from"] for s in steps] == [0, *(s["to"] + 1 for s in steps[:-1])]
        assert steps[-1]["to"] == size
        assert len(rule["pixels"]) == 2 ** sum(bool(hashes) for hashes in rule["groups"])


def valid_stages() -> Iterator[dict[str, Any]]:
    """All numbers of the smaller groups of the valid vectors on the synthetic model."""
    model = load_model(0)
    for entry in manifest()["vectors"]:
        if entry["class"] in ("valid", "uncommon") and not re.search("private|limits|unknown", entry["file"]):
            stream = parse(suite().data(entry["file"]))
            for g in stream.groups:
                if g.payload and (stream.labels == g.index + 1).sum() < 20:
                    yield stages.group_stages(model, stream.labels, g.index, g.quality, g.payload)


@pytest.mark.slow
def test_valid_vectors_reach_every_quality_index_escape_and_clamp() -> None:
    model = load_model(0)
    reach = model.reach.tolist()
    qualities, indices, residuals, prefixes = {0}, set[int](), set[int](), set[int]()
    ends: dict[tuple[str, int], list[int]] = {}

    def see(t: int, r: int) -> None:
        indices.add(t)
        residuals.add(r)
        if t and abs(r) > reach[t]:
            prefixes.add((abs(r) - reach[t]).bit_length() - 1)

    def look(name: str, rows: list[dict[str, Any]]) -> None:
        for k, row in enumerate(rows):
            values = [v for line in row["output"] for v in line]
            low, high = ends.get((name, k), (min(values), max(values)))
            ends[name, k] = [min(low, *values), max(high, *values)]

    for found in valid_stages():
        qualities.add(found["quality"])
        for line in found["hyper"]["residuals"]:
            for t, r in zip(found["hyper"]["scale_indices"], line, strict=True):
                see(t, r)
        look("hyper", found["hyper"]["network"])
        look("synthesis", found["synthesis"])
        for number, row in enumerate(found["passes"]):
            look(f"context.{number}", row["network"])
            for ts, rs in zip(row["scale_indices"], row["residuals"], strict=True):
                for t, r in zip(ts, rs, strict=True):
                    see(t, r)
    assert qualities == indices == set(range(64))
    assert prefixes == set(range(15)) and {32767, -32767} <= residuals
    for (name, k), (low, high) in ends.items():
        op = model.networks[name][k]
        if isinstance(op, Clamped):
            assert (low, high) == op.clamp, f"{name}[{k}]"


def test_stage_vectors_agree_with_the_networks_of_the_codec() -> None:
    model = load_model(0)
    for name in ("one-cell", "two-groups"):
        report = json.loads((VECTORS / "stages" / f"{name}.json").read_text("utf-8"))
        for group in report["groups"]:
            rows, cols = np.array(group["cells"]).T
            q = np.full(len(rows), group["quality"])
            out = run(model.networks["synthesis"], Sites(rows, cols, q, q), np.array(group["latents"], "<i2"))
            assert sorted(out.astype(int).tolist()) == sorted(group["synthesis"][-1]["output"])


def test_decoders_know_the_models_of_the_registry() -> None:
    text = registry.JAVASCRIPT.read_text("utf-8")
    assert registry.render(text) == text, "run make tables"
    assert registry.render(text.replace("number: 1", "number: 3")) == text


def test_second_model_is_valid_and_reaches_the_clamp_of_v() -> None:
    data = second_model.second_model_file()
    assert answer("model", data) == {"exit": 0}
    assert hashlib.sha256(data).hexdigest() == manifest()["models"][str(second_model.NUMBER)]["sha256"]


# --- the reference decoder ------------------------------------------------------------------------


def check(command: list[str], **more: Any) -> Report:
    options = Options(command, progress=False, jobs=JOBS, **more)
    return run_suite(suite(), options)


@pytest.mark.slow
def test_the_adapter_passes_every_tier() -> None:
    report = check(ADAPTER, tiers=TIERS_ALL)
    assert report.passed and not report.left_out, text_of(report)
    assert len(report.results) > 4000 and {r.by for r in report.results} == {"serve", "command"}


@pytest.mark.slow
def test_the_torch_decoder_passes() -> None:
    pytest.importorskip("torch")
    names = ("valid/qualities", "valid/islands", "uncommon/private", "invalid/coded-with-h", "restored/")
    command = [*ADAPTER[:3], "--runner", "torch"]
    report = check(command, only=names, timeout=60.0, memory=8 << 30, tiers=(*LADDER, "R"))
    assert report.passed, text_of(report)


@pytest.mark.slow
def test_the_decoder_of_structure_passes_its_tier() -> None:
    path = ROOM / "decoders" / "python" / "structure.py"
    report = check([sys.executable, str(path)], tiers=("T0",), without=tuple(KEYS))
    assert report.passed and len(report.results) > 250, text_of(report)


def test_errors_of_the_container_name_the_byte_that_an_independent_decoder_names() -> None:
    """The byte of the field, where the suite takes any byte of header or chunk."""
    path = ROOM / "decoders" / "python" / "structure.py"
    spec = importlib.util.spec_from_file_location("structure", path)
    assert spec is not None and spec.loader is not None
    structure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(structure)
    compared = set()
    for vector in manifest()["vectors"]:
        refused = any(q["op"] == "info" and q["exit"] in (1, 2) for q in vector.get("ask", ()))
        if not refused:
            continue
        data = suite().data(vector["file"])
        ours, theirs = answer("info", data)["error"], structure.answer(data)[1].get("error")
        if theirs is None:
            continue
        assert (ours["code"], ours["offset"]) == (theirs["code"], theirs["offset"]), vector["file"]
        compared.add(ours["code"])
    assert {"E_HEAD_SIZE", "E_GRPS_COUNT", "E_GRPS_ORDER", "E_GRPS_SIZE", "E_HEAD_CRC"} <= compared


@pytest.mark.slow
def test_commands_work_without_serve() -> None:
    names = ("valid/minimal", "invalid/magic-empty", "partial/one-damaged.sdc:decode[", "forward/version-11")
    report = check(ADAPTER, only=names, serve=False, tiers=TIERS_ALL)
    assert report.passed, text_of(report)
    assert {r.by for r in report.results} == {"command"}


# --- the runner -----------------------------------------------------------------------------------


def main(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sdc_conformance.runner", *words], capture_output=True, text=True, timeout=120
    )


@pytest.mark.slow
def test_reports_for_people_and_machines(tmp_path: Path) -> None:
    words = ["run", "--decoder", " ".join(ADAPTER)]
    files = [tmp_path / name for name in ("a.json", "a.xml", "a.html")]
    words += [
        "--only",
        "valid/size",
        "--json",
        str(files[0]),
        "--junit",
        str(files[1]),
        "--html",
        str(files[2]),
    ]
    done = main(*words)
    assert done.returncode == 0 and "passed: " in done.stdout, done.stdout + done.stderr
    report = json.loads(files[0].read_text("utf-8"))
    assert report["passed"] and report["failed"] == 0 and report["by_tier"]["T3"]["asked"] > 0
    assert int(ElementTree.parse(files[1]).getroot().attrib["tests"]) == report["asked"]
    assert "RECO-02" in files[2].read_text("utf-8")


@pytest.mark.slow
def test_a_failure_is_shown_with_its_sentence_and_how_to_repeat_it(tmp_path: Path) -> None:
    command = " ".join(survey.command("fill-black"))
    done = main("run", "--decoder", command, "--only", "valid/holes", "--junit", str(tmp_path / "a.xml"))
    assert done.returncode == 1
    assert "expected" in done.stdout and "got" in done.stdout
    assert re.search(r"^  \[[A-Z]{4}-\d\d\] .* MUST ", done.stdout, re.MULTILINE)
    again = shlex.split(re.search("again: (.*)", done.stdout)[1])  # type: ignore[index]
    assert main(*again[again.index("run") :]).returncode == 1
    assert ElementTree.parse(tmp_path / "a.xml").getroot().attrib["failures"] == "1"


@pytest.mark.slow
def test_failures_of_one_kind_are_shown_once() -> None:
    report = check(survey.command("always-1"), tiers=("T0",), only=("valid/size", "invalid/varint"))
    text = text_of(report)
    assert len(report.failed) > 20 and text.count("FAILED ") <= 4, text
    assert " like it: " in text
    text = text_of(check(survey.command("silent"), tiers=("T0",), only=("valid/minimal",)))
    assert "an answer" in text and "[" not in text  # no sentence is to blame


def test_what_a_decoder_found_is_shown_where_it_should_have_found_nothing() -> None:
    question = next(q for q in suite().questions(("T0",)) if q.name == "valid/minimal.sdc:info")
    said = {"errors": [{"code": "E_GROUP_DAMAGED", "offset": 29}]}
    (found,) = check_answer(question, 3, said, LADDER)
    assert (found.expected, found.got) == ("0", "3 (E_GROUP_DAMAGED at 29)")


def test_the_runner_needs_no_package_and_can_be_copied_away(tmp_path: Path) -> None:
    shutil.copytree(ROOM, tmp_path / "copied", ignore=shutil.ignore_patterns("__pycache__"))
    script = "import sys; sys.path.insert(0, sys.argv.pop()); from copied.runner.command import main; "
    script += "sys.exit(main(sys.argv[1:]))"
    decoder = shlex.join([sys.executable, str(tmp_path / "copied" / "decoders" / "python" / "structure.py")])
    words = ["run", "--decoder", decoder, "--tier", "T0", "--only", "valid/size"]
    words += [*(word for name in KEYS for word in ("--without", name)), str(tmp_path)]
    run = [sys.executable, "-I", "-S", "-c", script, *words]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "passed: " in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_a_command_that_is_not_there_is_said_at_once() -> None:
    done = main("run", "--decoder", "/no/such/decoder")
    assert done.returncode == 2 and "there is no command '/no/such/decoder'" in done.stderr


def test_objects_are_not_compared_with_a_decoder_that_does_not_read_them() -> None:
    question = next(q for q in suite().questions(("T0",)) if q.name == "valid/minimal.sdc:info")
    found = answer("info", suite().data("valid/minimal.sdc"))
    del found["objects"]
    assert check_answer(question, 0, found, LADDER)
    assert check_answer(question, 0, found, LADDER, ["OBJS"]) == []


@pytest.mark.slow
def test_skips_and_stale_skips(tmp_path: Path) -> None:
    skip = tmp_path / "skip"
    command = survey.command("fill-black")
    skip.write_text("valid/holes.sdc  # fill\n")
    entries = skip_list(skip.read_text())
    report = check(command, only=("valid/holes", "valid/minimal"), skip=entries)
    assert report.passed and report.skipped and not report.stale
    report = check(ADAPTER, only=("valid/holes", "valid/minimal"), skip=entries)
    assert not report.passed and "passes" in report.stale[0]
    report = check(ADAPTER, only=("valid/holes",), skip=["valid/no-such.sdc"])
    assert not report.passed and "no such" in report.stale[0]


@pytest.mark.slow
def test_vectors_on_a_model_that_is_not_here_are_left_out(tmp_path: Path) -> None:
    other = json.loads(json.dumps(manifest()))
    other["models"]["1"]["sha256"] = "0" * 64
    wanting = Suite(VECTORS, other)
    options = Options(ADAPTER, only=("valid/minimal", "photo"), progress=False, jobs=1)
    report = run_suite(wanting, options)
    assert report.passed and report.left_out > 20 and report.missing == ["1"]
    assert "no sdc-model-1.safetensors" in text_of(report)
    path = tmp_path / "sdc-model-1.safetensors"
    path.write_bytes(b"")
    assert suite().models(tmp_path)[0][path.name] != path


def test_nothing_asked_is_no_pass() -> None:
    assert not check(ADAPTER, only=("no/such",)).passed


@pytest.mark.slow
def test_bytes_of_a_question() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sdc_conformance.runner", "bytes", "partial/two-groups.sdc:decode@57"],
        capture_output=True,
    )
    assert done.stdout == suite().data("partial/two-groups.sdc")[:57]


def test_a_decoder_that_is_not_there_fails() -> None:
    report = check(["/no/such/decoder"], only=("valid/minimal",), timeout=5.0)
    assert not report.passed and report.failed


# --- traceability ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_sentence_and_code_is_exercised() -> None:
    rows = trace.table()
    assert trace.problems(rows) == []
    assert "HEAD-01" in trace.markdown(rows) and "HEAD-01" in trace.page(rows)


# --- planted bugs ---------------------------------------------------------------------------------


@functools.cache
def kills() -> dict[str, Any]:
    rows = json.loads(survey.KILLS.read_text("utf-8"))["mutants"]
    return {row["name"]: row for row in rows}


def test_the_survey_is_of_these_mutants_and_all_were_killed() -> None:
    assert set(kills()) == {m.name for m in MUTANTS} | set(enemies.ENEMIES) | set(encoders.ENCODERS)
    assert len(MUTANTS) >= 40
    for mutant in MUTANTS:
        row = kills()[mutant.name]
        assert row["found"] == row["tier"] == mutant.tier and row["ids"] == list(mutant.ids)
        assert set(mutant.ids) <= set(manifest()["sentences"])


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_fits_the_source(mutant: plant.Mutant) -> None:
    for module, changes in plant.by_module(mutant).items():
        plant.planted_tree(module, changes)


@pytest.mark.parametrize(
    ("name", "old", "words"),
    [
        ("no_such_name", "1", "no_such_name is defined 0 times"),
        ("MUTANTS", "1", "MUTANTS is defined 0 times"),
        ("__init__", "1", r"__init__ is defined \d+ times: sdc"),
        ("decode_varint", "value > 12345678", "decode_varint in .* has 0 times: value > 12345678"),
        ("decode_varint", "value", "decode_varint in .* has [0-9]+ times: value"),
    ],
)
def test_what_is_gone_or_ambiguous_is_named(name: str, old: str, words: str) -> None:
    with pytest.raises(plant.Unfit, match=words):
        for module, changes in plant.by_module(plant.mutant("m", "T0", "", (name, old, "2"))).items():
            plant.planted_tree(module, changes)


def test_a_change_that_could_only_crash_does_not_fit() -> None:
    tree = ast.parse("import a as b\n\ndef f(c):\n    d = c\n    return 1\n")
    for good in ("b", "d + c", "[e for e in range(f)]"):
        plant.changed(copy.deepcopy(tree), "m", plant.Change("f", "1", good))
    for bad in ("a", "e", "[b for g in e]"):
        with pytest.raises(plant.Unfit, match=r"f in m does not know [ae]: "):
            plant.changed(copy.deepcopy(tree), "m", plant.Change("f", "1", bad))


def test_a_change_fits_whatever_the_layout() -> None:
    tree = ast.parse('class A:\n  def f(self):\n    x = (1 +\n      2)\n    return [x , "a"]\n')
    plant.changed(tree, "m", plant.Change("A.f", "[x, 'a']", "[x]"))
    plant.changed(tree, "m", plant.Change("f", "x = 1 + 2\nreturn [x]", "return 3"))
    assert ast.unparse(tree) == "class A:\n\n    def f(self):\n        return 3"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_mutants_are_killed_by_the_vectors_of_the_survey(part: int) -> None:
    """A sample; ``python -m sdc_conformance.mutants`` runs everything against all of them."""
    for mutant in MUTANTS[part::16]:
        by = kills()[mutant.name]["by"]
        report = check(survey.command(mutant.name), tiers=TIERS_ALL, only=by)
        assert mutant.tier in {f.tier for f in report.failures}, text_of(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(enemies.ENEMIES))
def test_enemies_fail(name: str) -> None:
    only = ("valid/minimal.sdc:info", "invalid/crc-head-crc.sdc:decode")
    report = check(survey.command(name), only=only, timeout=2.0, memory=1 << 29)
    assert report.failed
    if name not in ("always-0", "always-1"):
        assert len(report.failed) == len(report.results)
    for result in report.failed:
        assert result.failures[0].expected


def checked(name: str, question: Question) -> list[Failure]:
    """What the runner says of the stream of an encoder with a fault, without processes."""
    make = encoders.faulty_encoder(name)

    def once(question: Question = question) -> dict[str, Any]:
        claim, new = make(question.data(suite()), question.wanted["quality"], question.wanted.get("objects"))
        return {**claim, "data": base64.b64encode(new).decode()}

    def ask(line: dict[str, Any]) -> dict[str, Any]:
        words = dict(line)
        return answer(words.pop("op"), base64.b64decode(words.pop("data")), **words)

    found = check_stream(question, suite(), once(), once(), ask)
    if question.wanted.get("negative") and not found:
        found = check_safe_chunks(once(), once(replace(question, negative=True)), ask)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "task", "what"),
    [
        ("encoder-cuts", "q32", "stream.size"),
        ("encoder-garbage", "q32", "stream.validate"),
        ("encoder-no-mask", "levels", "level of face"),
        ("encoder-swaps-levels", "levels", "level of face"),
        ("encoder-low-quality", "q32", "quality"),
        ("encoder-lies", "levels", "claim"),
        ("encoder-cheats", "q63", "psnr"),
        ("encoder-bloats", "q32", "bpp"),
        ("encoder-random", "one-pixel", "second run"),
        ("encoder-withdraws", "levels", "stream.withdrawn"),
        ("encoder-empty", "column", "data"),
        ("encoder-hides", "q32", "psnr"),
        ("encoder-tells", "one-pixel", "safe chunks"),
    ],
)
def test_encoders_with_a_fault_fail(name: str, task: str, what: str) -> None:
    question = next(q for q in suite().questions(("E",)) if q.name == f"picture/astronaut.png:encode-{task}")
    assert checked("none", question) == []
    assert what in [failure.what for failure in checked(name, question)]


@pytest.mark.slow
def test_encoders_with_a_fault_fail_through_serve_and_by_command() -> None:
    only = ("picture/rocket.png:encode-levels",)
    for serve in (True, False):
        report = check(survey.command("encoder-lies"), tiers=("E",), only=only, serve=serve)
        assert report.failed and report.failed[0].failures[0].what == "claim", text_of(report)


@pytest.mark.slow
def test_a_checking_decoder_that_is_not_there_fails_the_encoder_with_a_word() -> None:
    only = ("picture/rocket.png:encode-levels",)
    report = check(ADAPTER, tiers=("E",), only=only, checker=["/no/such/checker"])
    assert "the checking decoder" in report.failures[0].got


def test_pictures_are_read_as_pillow_reads_them() -> None:
    for name in photos.PHOTOGRAPHS:
        width, height, pixels = suite().picture(f"picture/{name}.png")
        image = photos.picture(name)
        assert (height, width) == image.shape[:2] and pixels == image.tobytes()


@pytest.mark.slow
def test_random_streams_are_valid_and_decoders_agree_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDC_MODELS", str(VECTORS / "models"))
    assert fuzz.stream(5, 2) == fuzz.stream(5, 2) != fuzz.stream(5, 4)
    own = fuzz.Decoder(" ".join(ADAPTER))
    other = fuzz.Decoder(" ".join(survey.command("fill-black")))
    different = 0
    try:
        for number in range(40):
            data = fuzz.stream(5, number)
            found = own.ask("decode", data)
            assert found["exit"] == 0 or number % 2, number
            assert fuzz.compare([own, own], data) == []
            different += bool(fuzz.compare([own, other], data))
    finally:
        own.close()
        other.close()
    assert different  # pictures with undecoded pixels


@pytest.mark.slow
def test_streams_are_taken_apart_and_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDC_MODELS", str(VECTORS / "models"))
    pieces = [(data, shrink.take_apart(data)) for data in (fuzz.stream(6, number) for number in range(80))]
    assert all(own is not None and own.build() == data for data, own in pieces[::2])
    assert all(own is None or own.build() == data for data, own in pieces[1::2])


class Forgetful:
    """A decoder that ignores what follows the symbols in a group, and OBJS behind unknown chunks."""

    def ask(self, op: str, data: bytes) -> dict[str, Any]:
        found = answer(op, data)
        if found.get("error", {}).get("code") == "E_RANS_FINAL":
            return {"exit": 0, "groups": []}
        if found.get("objects") and any(row["type"] == 0xA0 for row in found["chunks"]):
            return {"exit": 1, "error": {"code": "E_OBJS", "offset": 0}}
        return found


@pytest.mark.slow
@pytest.mark.parametrize(("number", "most"), [(264, 90), (13, 80)])
def test_a_stream_on_which_decoders_disagree_is_shrunk(
    number: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDC_MODELS", str(VECTORS / "models"))
    decoders: Any = [types.SimpleNamespace(ask=answer), Forgetful()]
    data = fuzz.stream(3, number)
    found = fuzz.compare(decoders, data)
    least = fuzz.smallest(decoders, data)
    assert found and fuzz.compare(decoders, least) == found
    assert len(least) <= most < len(data)
    assert fuzz.smallest(decoders, data, 0) == data


@pytest.mark.slow
def test_the_fuzzer_shrinks_what_a_planted_bug_shows(tmp_path: Path) -> None:
    words = ["--decoder", shlex.join(ADAPTER), "--decoder", shlex.join(survey.command("fill-black"))]
    words += ["--seed", "5", "--first", "4", "--count", "4", "--shrink", "300", "--keep", str(tmp_path)]
    run = [sys.executable, "-m", "sdc_conformance.fuzz", *words]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300)
    kept = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert done.returncode == 1 and "are enough" in done.stdout, done.stdout + done.stderr
    least = [name for name in kept if name.endswith("-least.sdc")]
    assert least and all(kept[name] < kept[name.replace("-least", "")] for name in least)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            [sys.executable, "-c", "import sys; sys.exit('no such model')"],
            "ended with status 1 .*no such model",
        ),
        ([sys.executable, "-c", "import os; os.abort()"], "died by SIGABRT"),
        (survey.command("silent"), "ended with status 0"),
        (survey.command("garbage"), "Expecting value"),
        (["/no/such/decoder"], "No such file"),
    ],
)
def test_the_fuzzer_ends_at_once_when_a_decoder_does_not_answer_at_all(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDC_MODELS", "")
    started: list[list[str]] = []

    class Counted(fuzz.Process):
        def __init__(self, command: list[str], models: Path, memory: int):
            started.append(command)
            super().__init__(command, models, memory)

    monkeypatch.setattr(fuzz, "Process", Counted)
    decoders = ["--decoder", shlex.join(ADAPTER), "--decoder", shlex.join(words)]
    assert fuzz.main([*decoders, "--count", "1000"]) == 2
    said = capsys.readouterr()
    assert re.search(f"the decoder .* does not answer about valid/minimal.sdc: .*{why}", said.err), said.err
    assert said.out == "" and len(started) == 2


def test_answers_to_another_question_and_of_other_types_fail() -> None:
    question = next(q for q in suite().questions(("T0",)) if q.name == "valid/minimal.sdc:info")
    right = answer("info", suite().data("valid/minimal.sdc"))
    assert check_answer(question, 0, right, LADDER) == []
    for status, given in [
        (False, right),
        ("0", right),
        (0, {**right, "width": True}),
        (0, {**right, "width": 1.0}),
        (0, {**right, "groups": []}),
        (0, [right]),
        (0, None),
        (1, {"error": {"code": "E_MAGIC", "offset": 0}}),
    ]:
        assert check_answer(question, status, given, LADDER)


def test_an_error_needs_a_place_and_the_right_code() -> None:
    question = next(q for q in suite().questions(("T0",)) if q.name == "invalid/magic-empty-file.sdc:info")
    for error, good in [
        ({"code": "E_MAGIC", "offset": 0}, True),
        ({"code": "E_MAGIC", "where": "magic"}, True),
        ({"code": "E_MAGIC"}, False),
        ({"code": "E_MAGIC", "offset": -1}, False),
        ({"code": "E_MAGIC", "offset": "0"}, False),
        ({"code": "E_MAGIC", "offset": 1, "where": "magic"}, False),
        ({"code": "E_MAGIC", "offset": None, "where": "magic"}, True),
        ({"code": "E_MAGIC", "where": ""}, False),
        ({"code": "E_TRUNCATED", "offset": 0}, False),
        ("E_MAGIC", False),
    ]:
        assert (check_answer(question, 1, {"error": error}, LADDER) == []) is good


def test_an_offset_lies_in_the_part_of_the_fault() -> None:
    questions = {q.name: q for q in suite().questions(("T0", "T1", "T2"))}
    for name, code, first, last in [
        ("invalid/crc-grps-payload.sdc:info", "E_HEAD_CRC", 18, 18),
        ("invalid/preamble-chunk-reaches-behind.sdc:decode", "E_GRPS_PREAMBLE", 22, 22),
        ("invalid/one-group-of-four-3.sdc:decode[3]", "E_RANS_FINAL", 80, 504),
        ("partial/two-groups.sdc:decode@20", "E_TRUNCATED", 0, 20),
    ]:
        for offset in (first - 1, first, last, last + 1):
            error = {"code": code, "offset": offset}
            found = check_answer(questions[name], 1, {"error": error}, LADDER)
            assert (found == []) is (first <= offset <= last), (name, offset, found)


def test_serve_answers_line_by_line() -> None:
    data = compose(20, 20, ((1, 30),), None, escaping(1)).build()
    other = compose(33, 20, ((1, 30),), None, small(1)).build()
    lines = [
        {"id": 7, "op": "info", "data": base64.b64encode(data).decode()},
        {"id": 8, "op": "decode", "data": base64.b64encode(other).decode(), "groups": []},
        {"id": 9, "op": "paint", "data": ""},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([*ADAPTER, "serve"], input=text, capture_output=True, text=True, timeout=60)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(a["id"], a["exit"]) for a in found] == [(7, 0), (8, 0), (9, 64)] and done.returncode == 0
