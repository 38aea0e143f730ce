"""The text of the specification, its JSON files and the code that cites it are in step."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import spec_tables

from sdc.coding.labels import FIRST, LATER, SECOND, START_N

ROOT = spec_tables.SPEC.parent
ID = re.compile(r"\[([A-Z]{2,6}-[0-9]{2,3})\]")
SENTENCE = re.compile(r"- \[([A-Z]{2,6}-[0-9]{2,3})\] (.+)")
NORMATIVE = re.compile(r"\b(MUST|SHALL|SHOULD|MAY|REQUIRED|RECOMMENDED|OPTIONAL)\b")
CODE = re.compile(r"\bE_[A-Z]+(?:_[A-Z]+)*\b")


def lines(prose_only: bool = False) -> Iterator[str]:
    """Lines of the text outside generated tables and pseudo-code."""
    text = spec_tables.BLOCK.sub("", spec_tables.TEXT.read_text("utf-8"))
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for line in text.splitlines():
        if line and not (prose_only and line.startswith(("|", "#"))):
            yield line


def sentences() -> dict[str, str]:
    """Normative sentences by id."""
    return {m[1]: m[2] for m in map(SENTENCE.fullmatch, lines()) if m}


def retired() -> set[str]:
    """Ids of sentences that were deleted, which the history lists."""
    lines = re.findall(
        r"^Retired ids: (.+)$", (spec_tables.SPEC / "history.md").read_text("utf-8"), re.MULTILINE
    )
    return set(re.findall(r"[A-Z]{4}-[0-9]{2}", " ".join(lines)))


def json_ids(value: Any) -> Iterator[str]:
    """Every id in a JSON file."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "id":
                yield item
            elif key == "ids":
                yield from item
            else:
                yield from json_ids(item)
    elif isinstance(value, list):
        for item in value:
            yield from json_ids(item)


def errors() -> dict[str, Any]:
    """Rows of the error table by code."""
    return {e["code"]: e for e in spec_tables.data("errors.json")["errors"]}


def test_tables_are_up_to_date() -> None:
    assert not spec_tables.stale(), "run: python tests/spec_tables.py --write"


def test_every_structure_has_its_table() -> None:
    shown = {m["name"] for m in spec_tables.BLOCK.finditer(spec_tables.TEXT.read_text("utf-8"))}
    assert shown == set(spec_tables.data("fields.json")["structures"]) | set(spec_tables.SPECIAL)


def test_ids_are_unique_and_lead_a_sentence() -> None:
    found = [i for line in lines() for i in ID.findall(line)]
    assert [i for i, n in Counter(found).items() if n > 1] == []
    assert set(found) == set(sentences())
    assert ID.findall("".join(re.findall(r"```.*?```", spec_tables.TEXT.read_text("utf-8"), re.DOTALL))) == []


def test_every_normative_sentence_has_an_id() -> None:
    for line in lines():
        bare = re.sub(r'"[^"]*"', "", line)
        if not SENTENCE.fullmatch(line):
            assert not NORMATIVE.search(bare), line
    for i, sentence in sentences().items():
        assert NORMATIVE.search(sentence) or " answers " in sentence, i


def test_one_sentence_per_line() -> None:
    for line in lines(prose_only=True):
        bare = re.sub(r"`[^`]*`", "x", line).replace("*Informative.* ", "")
        bare = re.sub(r"^\*\*[^*]+\.\*\* ", "", bare)
        assert not re.search(r"[.?!] [A-Z]", bare), line
    for i, sentence in sentences().items():
        assert sentence.endswith("."), i


@pytest.mark.parametrize("name", sorted(p.name for p in spec_tables.SPEC.glob("*.json")))
def test_ids_of_json_files_exist(name: str) -> None:
    if name.endswith(".schema.json"):
        pytest.skip("a schema has no ids of sentences")
    assert sorted(set(json_ids(spec_tables.data(name))) - set(sentences())) == []


@pytest.mark.slow
def test_ids_cited_in_text_exist() -> None:
    for path in sorted(spec_tables.SPEC.glob("*.md")):
        known = sentences().keys() | (retired() if path.name == "history.md" else set())
        prefixes = {i.split("-")[0] for i in sentences()}
        for prefix, number in re.findall(r"\b([A-Z]{2,6})-([0-9]{2,3})\b", path.read_text("utf-8")):
            if prefix in prefixes:
                assert f"{prefix}-{number}" in known, (path.name, prefix, number)


def test_retired_ids_stay_unused() -> None:
    assert retired() and not retired() & sentences().keys()


def test_error_codes_stand_beside_their_rules() -> None:
    text = sentences()
    for code, row in errors().items():
        assert row["class"] in spec_tables.data("errors.json")["exit_status"], code
        assert any(code in CODE.findall(text[i]) for i in row["ids"]), f"{code} is not named beside its rule"
    for i, sentence in text.items():
        for code in CODE.findall(sentence):
            if code != "E_X":
                assert i in errors()[code]["ids"], f"{i} names {code}, which does not list it"


def test_error_codes_in_text_and_fields_are_known() -> None:
    used = set(CODE.findall(spec_tables.TEXT.read_text("utf-8"))) - {"E_X"}
    for structure in spec_tables.data("fields.json")["structures"].values():
        used |= {f["error"] for f in structure["fields"] if "error" in f}
        used |= {code for f in structure["fields"] for code in f.get("also", ())}
    assert used == set(errors())


def test_sections_linked_to_exist() -> None:
    text = spec_tables.TEXT.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
    numbers = {h.split(" ")[0] for h in headings}
    assert set(re.findall(r"\bsections? ([0-9]+(?:\.[0-9]+)?)", text)) <= numbers


@pytest.mark.parametrize(
    "registry, past",
    [
        ("chunk_types", 2**8),
        ("features", 32),
        ("models", 2**32),
        ("colour_primaries", 2**8),
        ("transfers", 2**8),
        ("degradations", 2**8),
    ],
)
def test_ranges_cover_the_numbers(registry: str, past: int) -> None:
    ranges = spec_tables.data("registry.json")[registry]["ranges"]
    assert [r["from"] for r in ranges] == [0] + [r["to"] + 1 for r in ranges[:-1]]
    assert ranges[-1]["to"] == past - 1


def test_chunk_types_agree_with_bits_and_fields() -> None:
    entries = spec_tables.data("registry.json")["chunk_types"]["entries"]
    assert len({e["type"] for e in entries}) == len(entries)
    for e in entries:
        bits = (e["ancillary"], e["safe_to_copy"], e["private"])
        assert bits == tuple(bool(e["type"] & b) for b in (128, 64, 32)), e["name"]
        assert e["type"] & 31, e["name"]
    structures = spec_tables.data("fields.json")["structures"]
    assert {e["name"] for e in entries} == set(structures) - {
        "FILE",
        "CHUNK",
        "HEAD",
        "GROUP",
        "LATN",
        "LABEL",
        "REASON",
        "VECTOR",
        "DEGRADATION",
    }


def test_number_of_chunks_is_that_of_the_sentences() -> None:
    """What the registry says beside CHNK-08 and PROV-02."""
    entries = {e["name"]: e for e in spec_tables.data("registry.json")["chunk_types"]["entries"]}
    assert all(e["most"] == 1 and e["second"] in (None, "E_CHUNK_DUPLICATE") for e in entries.values())
    text = sentences()
    once = set(re.findall(r"\b[A-Z]{4}\b", text["CHNK-08"].partition(" MUST ")[0]))
    assert {name for name, e in entries.items() if e["second"] == "E_CHUNK_DUPLICATE"} == once
    assert entries.keys() - once == {"PROV"} and "PROV MUST occur at most once" in text["PROV-02"]


def test_bits_of_a_field_are_the_whole_of_it() -> None:
    sizes = {"u8": 8, "u32": 32}
    found = 0
    for structure in spec_tables.data("fields.json")["structures"].values():
        for field in structure["fields"]:
            if "bits" in field:
                used = [part["low"] + k for part in field["bits"] for k in range(part["size"])]
                assert sorted(used) == list(range(sizes[field["type"]])), field["name"]
                found += 1
    assert found


def test_starts_of_label_maps_are_those_of_the_text() -> None:
    assert spec_tables.map_starts() == {"first": FIRST, "second": SECOND, "later": LATER}
    assert (len(FIRST), len(SECOND), len(LATER)) == (24, 16, 2)
    assert f"with `n = {START_N}`" in sentences()["MASK-07"]


def test_models_have_hashes_of_the_right_length() -> None:
    for e in spec_tables.data("registry.json")["models"]["entries"]:
        assert re.fullmatch("([0-9a-f]{64})?", e["sha256"]), e["name"]


@pytest.mark.slow
def test_ids_cited_in_code_exist() -> None:
    prefixes = {i.partition("-")[0] for i in sentences()}
    cited = re.compile(rf"\b((?:{'|'.join(sorted(prefixes))})-[0-9]{{2,3}})\b")
    unknown, known = [], 0
    for room in ("sdc", "reference", "conformance", "tests"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                for i in cited.findall(line):
                    known += i in sentences()
                    if i not in sentences():
                        unknown.append(f"{path.relative_to(ROOT)}:{number}: {i}")
    assert unknown == []
    assert known > 20


@pytest.mark.parametrize("number", [1, 2])
def test_the_guide_counts_the_work_of_the_shipped_models(number: int) -> None:
    """Its script, as it stands there, prints the numbers of its table."""
    guide = (ROOT / "spec" / "implementers.md").read_text("utf-8")
    found = re.search(r"```python\n(import json, sys\n.*?)```", guide, re.DOTALL)
    assert found is not None
    model = ROOT / "sdc" / "models" / f"sdc-model-{number}.safetensors"
    done = subprocess.run([sys.executable, "-c", found[1], model], capture_output=True, text=True, check=True)
    rows = re.findall(r"^(\S+) ([\d.]+) per pixel, reaches (\d+) pixels$", done.stdout, re.MULTILINE)
    assert [name for name, *_ in rows] == ["hyper", *(f"context.{k}" for k in range(4)), "synthesis"]
    table = guide[guide.index("| network of models 1 and 2 |") :].splitlines()
    for name, work, reach in rows:
        line = next(x for x in table if f"`{name}`" in x.split("|")[1])
        assert line.split("|")[2].strip() == f"{float(work):g}", name
        assert line.split("|")[4].strip().startswith(f"{reach} pixels" if int(reach) else "none"), name
    total = next(x for x in table if x.startswith("| together |"))
    assert round(sum(float(work) for _, work, _ in rows)) == int(total.split("|")[2])
