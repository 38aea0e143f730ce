"""``python -m sdc_reference.accuracy``."""

from . import main

if __name__ == "__main__":
    main()
