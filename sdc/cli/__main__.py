"""``python -m sdc.cli``."""

import sys

from .start import main

sys.exit(main())
