"""``python -m sdc_conformance.runner``; in a clone, without anything installed, ``-m conformance.runner``."""

import sys

from .command import main

sys.exit(main())
