"""Tables of ``spec/sdc.md`` that are made from the JSON files beside it.

``python tests/spec_tables.py`` prints a diff and returns 1 when a table is stale;
``python tests/spec_tables.py --write`` brings the text up to date.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

SPEC = Path(__file__).resolve().parents[1] / "spec"
TEXT = SPEC / "sdc.md"
BLOCK = re.compile(r"(<!-- table: (?P<name>[^>]+?) -->\n).*?(<!-- /table -->\n)", re.DOTALL)
STARTS = re.compile(r"^(first|second|later) +=\s\[([0-9,\s]+)\]$", re.MULTILINE)
Row = dict[str, Any]


@cache
def data(name: str) -> Any:
    """A parsed JSON file of ``spec/``."""
    return json.loads((SPEC / name).read_text("utf-8"))


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def type_words(spec: str) -> str:
    """A field's type in words."""
    kind, _, rest = spec.partition(":")
    if kind == "bytes":
        return f"{rest} bytes" if rest.isdigit() else f"`{rest}` bytes"
    if kind == "text":
        return f"`{rest}` bytes, UTF-8"
    if kind == "rest":
        return f"all bytes but the last {rest}" if rest else "bytes to the end"
    if kind == "list":
        item, _, count = rest.partition(":")
        return f"{item}, `{count}` times" if count else f"{item}, to the end of the file"
    return spec


def values_words(field: Row) -> str:
    """The values a field may have."""
    if "const" in field:
        return " ".join(re.findall("..", field["const"]))
    words = [f"`{part['name']}` in {bits_words(part)}" for part in field.get("bits", ())]
    words += bounds_words(field, "min", "max", "")
    if "forbidden" in field:
        first, last = field["forbidden"]
        words.append(f"not {first} to {last}")
    return ", ".join(words + bounds_words(field, "min_size", "max_size", " bytes"))


def bits_words(part: Row) -> str:
    """The bits of a field's part, the highest first."""
    last = part["low"] + part["size"] - 1
    return f"bits {last} to {part['low']}" if part["size"] > 1 else f"bit {last}"


def bounds_words(field: Row, least: str, most: str, unit: str) -> list[str]:
    """The bounds of a value or of its size, if it has any."""
    if most in field:
        return [f"{field.get(least, 0)} to {field[most]}{unit}"]
    return [f"at least {field[least]}{unit}"] if least in field else []


def structure_table(name: str) -> str:
    """Syntax table of a structure of ``fields.json``."""
    structure = data("fields.json")["structures"][name]
    rows = (
        [
            f"`{f['name']}`",
            type_words(f["type"]),
            values_words(f),
            f["text"],
            f["id"],
            ", ".join(f"`{code}`" for code in ([f["error"]] if "error" in f else []) + f.get("also", [])),
        ]
        for f in structure["fields"]
    )
    types = {e["name"]: e["type"] for e in data("registry.json")["chunk_types"]["entries"]}
    lead = f"**{structure['title']}**" + (f", chunk type 0x{types[name]:02X}" if name in types else "")
    return f"\n{lead}\n\n" + table(["Field", "Type", "Values", "Meaning", "Id", "Error"], rows) + "\n"


def class_table() -> str:
    """Classes of errors with their exit status."""
    return (
        "\n"
        + table(
            ["Class", "Exit status"], ([k, str(v)] for k, v in data("errors.json")["exit_status"].items())
        )
        + "\n"
    )


def error_table() -> str:
    """All error codes."""
    rows = (
        [f"`{e['code']}`", e["class"], e["region"], e["name"], ", ".join(e["ids"])]
        for e in data("errors.json")["errors"]
    )
    return "\n" + table(["Code", "Class", "Region", "Meaning", "Ids"], rows) + "\n"


def chunk_type_table() -> str:
    """Registered chunk types."""
    yes = {True: "yes", False: "no"}
    rows = (
        [
            f"0x{e['type']:02X}",
            e["name"],
            yes[e["ancillary"]],
            yes[e["safe_to_copy"]],
            yes[e["private"]],
            f"at most {e['most']}",
            e["text"],
        ]
        for e in data("registry.json")["chunk_types"]["entries"]
    )
    return (
        "\n"
        + table(["Type", "Name", "Ancillary", "Safe to copy", "Private", "Times", "Content"], rows)
        + "\n"
    )


def feature_table() -> str:
    """Registered required-feature bits."""
    entries = data("registry.json")["features"]["entries"]
    if not entries:
        return "\nNo bit is assigned.\n\n"
    return (
        "\n"
        + table(["Bit", "Name", "Meaning"], ([str(e["bit"]), e["name"], e["text"]] for e in entries))
        + "\n"
    )


def model_table() -> str:
    """Registered models."""
    rows = (
        [
            str(e["model"]),
            e["name"],
            str(e["profile"]),
            f"`{e['sha256']}`" if e["sha256"] else "",
            e["licence"],
            e["text"],
        ]
        for e in data("registry.json")["models"]["entries"]
    )
    return "\n" + table(["Model", "Name", "Profile", "SHA-256", "Licence", "Remarks"], rows) + "\n"


def degradation_table() -> str:
    """Registered kinds of degradation."""
    entries = data("registry.json")["degradations"]["entries"]
    return (
        "\n"
        + table(["Kind", "Name", "Meaning"], ([str(e["kind"]), e["name"], e["text"]] for e in entries))
        + "\n"
    )


def range_table(registry: str, form: str) -> str:
    """Ranges of a registry."""
    rows = (
        [f"{r['from']:{form}} to {r['to']:{form}}", r["use"], r["assignment"]]
        for r in data("registry.json")[registry]["ranges"]
    )
    return "\n" + table(["Range", "Use", "Assignment"], rows) + "\n"


def map_starts() -> dict[str, tuple[int, ...]]:
    """The starts of the adaptive bits of a label map, as the text lists them (MASK-07)."""
    lists = STARTS.findall(TEXT.read_text("utf-8"))
    return {name: tuple(map(int, values.split(","))) for name, values in lists}


def primaries_table() -> str:
    """Registered primaries with their chromaticities."""
    colours = ("red", "green", "blue", "white")
    rows = (
        [str(e["number"]), e["name"], *(" ".join(f"{c:g}" for c in e[k] or ()) for k in colours), e["text"]]
        for e in data("registry.json")["colour_primaries"]["entries"]
    )
    return "\n" + table(["Number", "Name", *(name.title() for name in colours), "Remarks"], rows) + "\n"


def transfer_table() -> str:
    """Registered transfers with their formulas."""
    rows = (
        [str(e["number"]), e["name"], f"`{e['light']}`" if e["light"] else "", e["text"]]
        for e in data("registry.json")["transfers"]["entries"]
    )
    return "\n" + table(["Number", "Name", "Light", "Remarks"], rows) + "\n"


SPECIAL: dict[str, Callable[[], str]] = {
    "classes": class_table,
    "errors": error_table,
    "chunk types": chunk_type_table,
    "chunk type ranges": lambda: range_table("chunk_types", "#04X").replace("0X", "0x"),
    "features": feature_table,
    "feature ranges": lambda: range_table("features", "d"),
    "models": model_table,
    "model ranges": lambda: range_table("models", "d"),
    "primaries": primaries_table,
    "primaries ranges": lambda: range_table("colour_primaries", "d"),
    "transfers": transfer_table,
    "transfers ranges": lambda: range_table("transfers", "d"),
    "degradations": degradation_table,
    "degradation ranges": lambda: range_table("degradations", "d"),
}


def render(text: str) -> str:
    """The text with all its tables made anew."""

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        return match[1] + (SPECIAL[name]() if name in SPECIAL else structure_table(name)) + match[3]

    return BLOCK.sub(block, text)


def stale() -> str:
    """Diff between the text and what it should be; empty when it is up to date."""
    old = TEXT.read_text("utf-8")
    lines = difflib.unified_diff(
        old.splitlines(True), render(old).splitlines(True), "spec/sdc.md", "generated"
    )
    return "".join(lines)


def main(arguments: list[str], write: Callable[[], object], stale: Callable[[], str]) -> int:
    """Command line of a generator: ``--write`` writes, nothing prints what is stale."""
    if arguments == ["--write"]:
        write()
        return 0
    if arguments:
        print(f"usage: {Path(sys.argv[0]).name} [--write]", file=sys.stderr)
        return 64
    difference = stale()
    print(difference, end="")
    return int(bool(difference))


def write() -> None:
    """Bring the text up to date."""
    TEXT.write_text(render(TEXT.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], write, stale))
