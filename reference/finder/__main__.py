"""``python -m sdc_reference.finder samples|train|export|measure``."""

from .command import main

main()
