"""What holds for every test."""

from __future__ import annotations

import os

# Torch's threads, and those of the processes that tests start, wait for one another asleep.  By default they
# spin, and where others compute on the same cores small products then take up to a hundred times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
