"""The classes of COCO: names and category ids."""

from __future__ import annotations

COCO = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, "
    "stop sign, "
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, "
    "umbrella, "
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, "
    "skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, "
    "sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, "
    "dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, "
    "refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"
).split(", ")
"""The 80 classes in the order of detectors."""


_UNUSED = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
"""Ids of 1 to 90 that have no category in the sets of boxes and outlines."""


COCO_IDS = dict(zip(COCO, (k for k in range(1, 91) if k not in _UNUSED), strict=True))
"""Category id of each class, as in COCO's ``instances.json``."""
