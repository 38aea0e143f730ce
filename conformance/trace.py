"""Which vectors exercise which sentence of the specification.

``python -m sdc_conformance.trace`` prints what is open and returns 1 when something is;
``--table`` prints the whole table as Markdown, and ``--html FILE`` writes it as a page.

A sentence is *accepted* by a vector in which a decoder must do what it says and go on, and *rejected* by one
in which it must refuse, or by a decoder that breaks the sentence and is failed by a vector for it
(``mutants/kills.json``): most sentences about numbers and pixels bind decoders, and no file can break those.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
SENTENCE = re.compile(r"^- \[([A-Z]{4}-[0-9]{2})\] (.+)$", re.MULTILINE)
CITED = re.compile(r"\b([A-Z]{4}-[0-9]{2})\b")
SHARE = 20
"""At most one sentence in so many is excused."""

EXCUSED: dict[str, str] = {}
"""Sentences that no vector can exercise, with the reason."""

OTHER_CODES = {
    "E_LIMIT": "a decoder may have limits of its own, but no stream must exceed them",
}
"""Error codes that no vector can provoke, with the reason."""


@dataclass
class Row:
    """A sentence and what exercises it.

    Attributes:
        accept, reject: names of vectors.
        mutants: decoders that break the sentence, with a vector that fails each.
    """

    id: str
    sentence: str
    accept: list[str] = field(default_factory=list)
    reject: list[str] = field(default_factory=list)
    mutants: list[tuple[str, str]] = field(default_factory=list)
    excuse: str = ""

    @property
    def lacks(self) -> list[str]:
        """What is missing: ``accept``, ``reject`` or both."""
        out = [] if self.accept else ["accept"]
        return out if self.reject or self.mutants else [*out, "reject"]


def sentences() -> dict[str, str]:
    """Normative sentences by id."""
    return dict(SENTENCE.findall((ROOT / "spec" / "sdc.md").read_text("utf-8")))


def _read(name: str) -> Any:
    path = FOLDER / name
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def table() -> list[Row]:
    """All sentences with what exercises them."""
    rows = {name: Row(name, text, excuse=EXCUSED.get(name, "")) for name, text in sentences().items()}
    for entry in _read("vectors/manifest.json")["vectors"]:
        for kind in ("accept", "reject"):
            for name in entry["ids"][kind]:
                if name in rows:
                    getattr(rows[name], kind).append(entry["file"])
    for mutant in (_read("mutants/kills.json") or {"mutants": []})["mutants"]:
        if mutant["found"] == mutant["tier"]:
            for name in mutant["ids"]:
                if name in rows:
                    rows[name].mutants.append((mutant["name"], mutant["by"][0]))
    return list(rows.values())


def cited_ids(folders: Iterable[str] = ("sdc", "reference", "conformance")) -> dict[str, list[str]]:
    """Ids that the code cites, with the files."""
    out: dict[str, list[str]] = {}
    prefixes = {name[:4] for name in sentences()}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for name in set(CITED.findall(path.read_text("utf-8"))):
                if name[:4] in prefixes:
                    out.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return out


def problems(rows: Sequence[Row]) -> list[str]:
    """What keeps the table from being closed."""
    out = []
    excused = [row for row in rows if row.excuse]
    if len(excused) * SHARE > len(rows):
        out.append(f"{len(excused)} of {len(rows)} sentences are excused, more than one in {SHARE}")
    for row in rows:
        if row.lacks and not row.excuse:
            out.append(f"{row.id} has no vector to {' and none to '.join(row.lacks)}: {row.sentence}")
        if row.excuse and not row.lacks:
            out.append(f"{row.id} is excused and needs no excuse")
    known = {row.id for row in rows}
    manifest = _read("vectors/manifest.json")
    if manifest["sentences"] != {row.id: row.sentence for row in rows}:
        out.append(
            "the sentences of the manifest are not those of the specification; "
            "run python -m sdc_conformance.make --write"
        )
    named = {name for e in manifest["vectors"] for kind in ("accept", "reject") for name in e["ids"][kind]}
    out += [f"{name} is named by a vector and is not in the specification" for name in sorted(named - known)]
    for name, files in sorted(cited_ids().items()):
        if name not in known:
            out.append(f"{name} is cited in {', '.join(files)} and is not in the specification")
    produced = codes(manifest)
    for code in manifest["codes"]:
        if code not in produced and code not in OTHER_CODES:
            out.append(f"no vector produces {code}")
        if code in produced and code in OTHER_CODES:
            out.append(f"{code} is excused and needs no excuse")
    return out


def codes(manifest: Any) -> set[str]:
    """Error codes that some vector must give."""
    out: set[str] = set()
    for entry in manifest["vectors"]:
        questions = [*entry.get("ask", ()), *entry.get("rule", {}).get("prefixes", ())]
        for question in questions:
            wanted = question.get("codes", ())
            out |= set(wanted) if len(wanted) == 1 and isinstance(question["exit"], int) else set()
            for row in (*question.get("errors", ()), *question.get("answer", {}).get("errors", ())):
                out.add(row["code"])
            if question.get("op") == "decode" and question["exit"] == 3:
                states = [g.get("state") for g in question["answer"].get("groups", ()) if not g["decoded"]]
                out |= {f"E_GROUP_{state.upper()}" for state in states if state and state != "complete"}
    return out


def markdown(rows: Sequence[Row]) -> str:
    """The table for people."""

    def some(names: Sequence[str]) -> str:
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

    lines = [
        "| Id | Accepting vectors | Rejecting vectors | Failed decoders | Excuse |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        mutants = some([f"{name} (by {by})" for name, by in row.mutants])
        lines.append(f"| {row.id} | {some(row.accept)} | {some(row.reject)} | {mutants} | {row.excuse} |")
    return "\n".join(lines) + "\n"


def page(rows: Sequence[Row]) -> str:
    """The table as a page, with the sentences."""
    cells = []
    for row in rows:
        mutants = "; ".join(f"{name} by {by}" for name, by in row.mutants)
        parts = (row.id, row.sentence, ", ".join(row.accept), ", ".join(row.reject), mutants, row.excuse)
        style = ' class="open"' if row.lacks else ""
        cells.append(f"<tr{style}>" + "".join(f"<td>{html.escape(p)}</td>" for p in parts) + "</tr>")
    heads = ("id", "sentence", "must accept", "must reject", "decoders that break it", "excuse")
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>SDC: sentences</title><style>'
        "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}.open{background:#fdd}"
        "td,th{border:1px solid #bbb;padding:.3em;vertical-align:top;text-align:left}</style></head><body>"
        f"<h1>Sentences and vectors</h1><table><tr>{''.join(f'<th>{h}</th>' for h in heads)}</tr>"
        f"{''.join(cells)}</table></body></html>\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 1 when something is open."""
    parser = argparse.ArgumentParser(prog="sdc_conformance.trace", description=__doc__)
    parser.add_argument("--table", action="store_true", help="print the table")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the table as a page")
    given = parser.parse_args(arguments)
    rows = table()
    if given.table:
        sys.stdout.write(markdown(rows))
    if given.html:
        given.html.write_text(page(rows), "utf-8")
    found = problems(rows)
    for line in found:
        print(line)
    excused = sum(bool(row.excuse) for row in rows)
    closed = sum(not row.lacks for row in rows)
    print(f"{closed} of {len(rows)} sentences are exercised both ways, {excused} excused")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
