"""What holds for every test."""

from __future__ import annotations

import os
import signal

# Torch's threads, and those of the processes that tests start, wait for one another asleep.  By default they
# spin, and where others compute on the same cores small products then take up to a hundred times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A suite that was started in the background has Ctrl-C ignored, and so have the programs that it starts and
# that some tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
