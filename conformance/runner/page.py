"""The report as a page: what failed, and each sentence of the specification with its vectors."""

from __future__ import annotations

import html
import shlex

from .report import text_of
from .run import Report


def html_of(report: Report) -> str:
    """The report as a page: what failed, and each sentence of the specification with its vectors."""
    failed = {r.question.entry["file"] for r in report.failed}
    asked = {r.question.entry["file"] for r in report.results}
    by_id: dict[str, dict[str, list[str]]] = {}
    for entry in report.suite.manifest["vectors"]:
        for kind in ("accept", "reject"):
            for name in entry["ids"][kind]:
                by_id.setdefault(name, {"accept": [], "reject": []})[kind].append(entry["file"])

    def cell(files: list[str]) -> str:
        def mark(name: str) -> str:
            style = "bad" if name in failed else "good" if name in asked else "none"
            return f'<span class="{style}">{html.escape(name)}</span>'

        head = ", ".join(map(mark, files[:6]))
        if len(files) <= 6:
            return head
        return f"<details><summary>{head}, ...</summary>{', '.join(map(mark, files[6:]))}</details>"

    rows = []
    for name, sentence in report.suite.manifest["sentences"].items():
        kinds = by_id.get(name, {"accept": [], "reject": []})
        mine = {f for kind in kinds.values() for f in kind}
        verdict = "fails" if mine & failed else "passes" if mine & asked else "not asked"
        rows.append(
            f'<tr class="{verdict.split()[0]}"><td>{name}</td><td>{html.escape(sentence)}</td>'
            f"<td>{cell(kinds['accept'])}</td><td>{cell(kinds['reject'])}</td><td>{verdict}</td></tr>"
        )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>SDC conformance</title><style>'
        "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}"
        "td,th{border:1px solid #bbb;padding:.3em;vertical-align:top;text-align:left}"
        ".bad{color:#b00;font-weight:bold}.good{color:#060}.none{color:#777}tr.fails{background:#fdd}"
        "pre{background:#f4f4f4;padding:1em;overflow:auto}</style></head><body>"
        f"<h1>SDC conformance of {html.escape(shlex.join(report.options.command))}</h1>"
        f"<pre>{html.escape(text_of(report, 200))}</pre>"
        "<h2>Sentences</h2><table><tr><th>id</th><th>sentence</th><th>must accept</th><th>must reject</th>"
        f"<th>result</th></tr>{''.join(rows)}</table></body></html>\n"
    )
