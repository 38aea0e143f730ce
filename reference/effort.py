"""What encoder effort buys: ``python -m sdc_reference.effort --data DIR --efforts 0 3 9``.

For every effort and quality the mean bits per pixel and PSNR, then the mean difference of rate at equal PSNR
against the first effort, and processor seconds per picture.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from sdc.codec import decode, encode
from sdc.refine import EFFORTS

from .bench.common import bits_per_pixel, photographs, psnr
from .bench.curves import rate_difference


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--qualities", type=int, nargs="+", default=[8, 20, 32, 44])
    parser.add_argument("--efforts", type=int, nargs="+", default=list(range(len(EFFORTS))))
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth photograph")
    parser.add_argument("--model", type=int, default=1)
    args = parser.parse_args(argv)
    pictures = [picture for _, picture in photographs(args.data)][:: args.every]
    first: list[tuple[float, float]] = []
    plain = 0.0
    for effort in args.efforts:
        curve, seconds = [], []
        for quality in sorted(args.qualities):
            bpps, dbs = [], []
            for picture in pictures:
                start = time.process_time()
                data = encode(picture, quality=quality, effort=effort, model=args.model)
                seconds.append(time.process_time() - start)
                bpps.append(bits_per_pixel(data, picture))
                dbs.append(psnr(decode(data).pixels, picture))
            curve.append((statistics.mean(bpps), statistics.mean(dbs)))
        first, plain = first or curve, plain or statistics.median(seconds)
        print(
            f"effort {effort}  rate {rate_difference(curve, first):+.2%}  "
            f"{statistics.median(seconds):.2f} s, x{statistics.median(seconds) / plain:.1f}  "
            + "  ".join(f"{bpp:.4f} bpp {db:.2f} dB" for bpp, db in curve),
            flush=True,
        )


if __name__ == "__main__":
    main()
