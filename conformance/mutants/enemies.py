"""Programs that are no decoders, which the runner must survive and fail."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

ENEMIES = {
    "always-0": "answers 0 to everything",
    "always-1": "answers 1 with a code to everything",
    "crash": "dies by a signal at every question",
    "hang": "never answers",
    "garbage": "prints what is not JSON",
    "eats-memory": "takes memory until it is stopped",
    "silent": "ends at once without a word",
    "endless": "prints without end",
}


def behave(name: str, arguments: Sequence[str]) -> int:
    """Behave as an enemy of the runner does."""
    serving = "serve" in arguments

    def act(identity: Any) -> None:
        if name == "crash":
            os.abort()
        elif name == "hang":
            time.sleep(3600)
        elif name == "garbage":
            print("the quick brown fox {", flush=True)
        elif name == "eats-memory":
            held = []
            while True:
                held.append(bytearray(1 << 24))
        elif name == "endless":
            while True:
                sys.stdout.write("x" * 65536)
        elif name != "silent":
            status = int(name[-1])
            answer: dict[str, Any] = {} if status == 0 else {"error": {"code": "E_CHUNK_CRC", "offset": 0}}
            if serving:
                answer |= {"id": identity, "exit": status}
            print(json.dumps(answer), flush=True)

    if name == "silent":
        return 0
    if not serving:
        act(None)
        return int(name[-1]) if name.startswith("always") else 0
    for line in sys.stdin:
        act(json.loads(line).get("id"))
    return 0
