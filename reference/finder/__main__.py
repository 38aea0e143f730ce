"""``python -m sdc_reference.finder samples|head|teach|train|export|measure``."""

from .command import main

main()
