"""How long a fresh process takes to import and to decode for the first time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

CODE = """
import json, sys, time
times = [time.perf_counter()]
import sdc
times.append(time.perf_counter())
import numpy
times.append(time.perf_counter())
sdc.decode
times.append(time.perf_counter())
with open(sys.argv[1], "rb") as file:
    data = file.read()
for _ in range(2):
    sdc.decode(data, threads=1)
    times.append(time.perf_counter())
print(json.dumps([t - times[0] for t in times[1:]]))
"""

STEPS = (
    "`import sdc`",
    "and NumPy, which it imports when it needs it",
    "and all that decoding needs",
    "and the first decode: model read, checked and packed",
    "and the second decode",
)
"""What has been done by each of the times."""


def fresh_times(files: Sequence[str], variables: Mapping[str, str], count: int) -> dict[str, list[float]]:
    """Seconds from the first line of a program until each of ``STEPS`` is done, ``count`` times.

    Args:
        files: streams, of which each process decodes the next.
        variables: environment of the processes.
    """
    found: list[list[float]] = []
    for k in range(-1, count):  # the first run writes bytecode
        command = [sys.executable, "-c", CODE, files[k % len(files)]]
        done = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, text=True)
        if k >= 0:
            found.append(json.loads(done.stdout))
    return dict(zip(STEPS, map(list, zip(*found, strict=True)), strict=True))
