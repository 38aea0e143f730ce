"""Runs the suite against all of them, and keeps the record of what failed each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..runner.checks import Failure
from ..runner.run import Report, run
from ..runner.suite import LADDER, TIERS_ALL, Suite
from ..runner.worker import Options
from .catalogue import MUTANTS, find
from .encoders import BREAKS, ENCODERS
from .enemies import ENEMIES

KILLS = Path(__file__).resolve().parent / "kills.json"


def everyone() -> list[str]:
    """Names of all mutants, enemies and encoders with a fault."""
    return [*(m.name for m in MUTANTS), *ENEMIES, *ENCODERS]


def command(name: str) -> list[str]:
    """Command that runs a mutant or an enemy."""
    return [sys.executable, "-m", "sdc_conformance.mutants", name]


def survey(names: Sequence[str], jobs: int) -> Iterator[dict[str, Any]]:
    """Run the suite against mutants, up to the tier that names the bug; yields one row for each."""
    suite = Suite.load()
    for name in names:
        yield _row(name, run(suite, _options(name, jobs)))


def tier_of(name: str) -> str:
    """The tier at which the suite must fail it."""
    return "E" if name in ENCODERS else "T0" if name in ENEMIES else find(name).tier


def _options(name: str, jobs: int) -> Options:
    tier, enemy = tier_of(name), name in ENEMIES
    tiers = {"E": ("E",), "R": (*LADDER, "R")}.get(tier, TIERS_ALL)
    if tier in LADDER:
        tiers = LADDER[: LADDER.index(tier) + 1]
    return Options(
        command(name),
        tiers=tiers,
        jobs=jobs,
        timeout=2.0 if enemy else 20.0,
        memory=1 << 29 if enemy else 1 << 31,
        progress=False,
        limit=20 if enemy else 0,
    )


def _ids(name: str) -> list[str]:
    """Sentences that it breaks."""
    if name in ENCODERS:
        return BREAKS.get(name, ["CONF-03"])
    return [] if name in ENEMIES else list(find(name).ids)


def _seen(name: str, failure: Failure) -> bool:
    """Whether a failure shows the bug; a mutant that crashes shows that its change fits badly."""
    return name in ENEMIES or failure.what != "process"


def _row(name: str, report: Report) -> dict[str, Any]:
    """The record of one, which is printed in short."""
    tiers = [f.tier for f in report.failures if _seen(name, f)]
    first = min(tiers, key=TIERS_ALL.index, default=None)
    killers = [
        r.name
        for r in report.failed
        if (r.by == "serve" or r.question.by_command)
        and first in {f.tier for f in r.failures if _seen(name, f)}
    ]
    mark = "killed" if first == tier_of(name) else "WRONG TIER" if first else "SURVIVED"
    counts = f"{len(report.failed)} of {len(report.results)}"
    print(f"{mark:10}  {name:32} {tier_of(name)} {first}  {counts}", flush=True)
    return {
        "name": name,
        "tier": tier_of(name),
        "found": first,
        "ids": _ids(name),
        "failed": len(report.failed),
        "asked": len(report.results),
        "by": killers[:3],
    }


def record(rows: Sequence[dict[str, Any]]) -> None:
    """Put rows into ``kills.json``, in the order of the mutants; rows of mutants that are gone leave it."""
    old = json.loads(KILLS.read_text("utf-8"))["mutants"] if KILLS.is_file() else []
    by_name = {row["name"]: row for row in (*old, *rows)}
    lines = ",\n".join("  " + json.dumps(by_name[name]) for name in everyone() if name in by_name)
    KILLS.write_text(f'{{"mutants": [\n{lines}\n]}}\n', "utf-8")
