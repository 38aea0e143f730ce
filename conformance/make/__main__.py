"""``python -m sdc_conformance.make [--write]``."""

import sys

from .vectors import main

sys.exit(main())
