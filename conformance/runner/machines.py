"""The report for machines: JSON and JUnit XML."""

from __future__ import annotations

import shlex
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from .report import by_tier
from .run import Report


def json_of(report: Report) -> dict[str, Any]:
    """The report for machines."""
    return {
        "decoder": shlex.join(report.options.command),
        "tiers": list(report.options.tiers),
        "passed": report.passed,
        "seconds": round(report.seconds, 3),
        "asked": len(report.results),
        "failed": len(report.failed),
        "skipped": [r.name for r in report.skipped],
        "stale": report.stale,
        "left_out": report.left_out,
        "models_missing": report.missing,
        "by_tier": {tier: {"asked": a, "failed": f} for tier, (a, f) in by_tier(report).items()},
        "results": [
            {
                "name": r.name,
                "tier": r.question.tier,
                "by": r.by,
                "seconds": round(r.seconds, 4),
                "passed": not r.failures,
                **({"failures": [vars(f) for f in r.failures], "noise": r.noise} if r.failures else {}),
            }
            for r in report.results
        ],
    }


def junit_of(report: Report) -> str:
    """The report as JUnit XML; one case for each question."""

    def clean(text: str) -> str:
        return "".join(
            c if c in "\n\t" or " " <= c < "\ud800" or "\ue000" <= c < "\ufffe" else "?" for c in text
        )

    count = len(report.results) + len(report.skipped) + len(report.stale)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="sdc-conformance" tests="{count}" '
        f'failures="{len(report.failed) + len(report.stale)}" skipped="{len(report.skipped)}" '
        f'time="{report.seconds:.3f}">',
    ]
    for result in report.results:
        name = quoteattr(f"{result.name} {result.by}")
        head = f"<testcase classname={quoteattr(result.question.tier)} name={name}"
        head += f' time="{result.seconds:.4f}"'
        if not result.failures:
            lines.append(head + "/>")
            continue
        said = "\n".join(f"{f.what}: expected {f.expected}, got {f.got}" for f in result.failures)
        message = quoteattr(clean(result.failures[0].what))
        lines.append(f"{head}><failure message={message}>{escape(clean(said))}</failure></testcase>")
    for result in report.skipped:
        lines.append(f'<testcase classname="skipped" name={quoteattr(result.name)}><skipped/></testcase>')
    for line in report.stale:
        lines.append(
            f'<testcase classname="skip list" name={quoteattr(line)}><failure message="stale"/></testcase>'
        )
    return "\n".join([*lines, "</testsuite>"]) + "\n"
