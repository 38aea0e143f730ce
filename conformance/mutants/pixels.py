"""Mutants of parts, selections and pixels."""

from .plant import Mutant, mutant

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "prefix-off-by-one",
        "T0",
        "STAT-03",
        ("read_group", "len(data) < group.size", "len(data) <= group.size"),
    ),
    mutant(
        "truncated-magic-is-magic",
        "T0",
        "FILE-03",
        ("Parser._magic", "MAGIC.startswith(magic) and magic", "False"),
    ),
    mutant(
        "empty-is-truncated",
        "T0",
        "FILE-01",
        ("Parser._magic", "MAGIC.startswith(magic) and magic", "MAGIC.startswith(magic)"),
    ),
    mutant(
        "selection-ignored",
        "T1",
        "STAT-07",
        ("choose", "stream.select(groups, named)", "stream.select(None, named)"),
    ),
    mutant(
        "withdrawn-is-no-matter",
        "T1",
        "STAT-02",
        (
            "choose",
            "stream.select(groups, named)",
            ("[k for k in stream.select(groups, named) if stream.groups[k].state != 'withdrawn']"),
        ),
    ),
    mutant(
        "stops-at-first-gap",
        "T1",
        "STAT-01",
        (
            "_decoded",
            "canvas = np.empty((head.rows * CELL, head.cols * CELL, 3), np.uint8)",
            (
                "gaps = [k for k in choice.groups if k not in good]\n"
                "good = [k for k in good if not gaps or k < gaps[0]]\n"
                "canvas = np.empty((head.rows * CELL, head.cols * CELL, 3), np.uint8)"
            ),
        ),
    ),
    mutant(
        "empty-selection-is-all",
        "T2",
        "STAT-07",
        ("choose", "stream.select(groups, named)", "stream.select(groups or None, named)"),
    ),
    mutant(
        "model-wanted-for-nothing",
        "T1",
        "HEAD-04",
        (
            "_decoded",
            "canvas = np.empty((head.rows * CELL, head.cols * CELL, 3), np.uint8)",
            (
                "model_for(head.model, head.weights)\n"
                "canvas = np.empty((head.rows * CELL, head.cols * CELL, 3), np.uint8)"
            ),
        ),
    ),
    mutant(
        "fill-black",
        "T3",
        "RECO-03",
        ("decoder.GREY", "(128, 128, 128)", "(0, 0, 0)"),
    ),
    mutant(
        "last-column-dropped",
        "T3",
        "RECO-01",
        (
            "synthesis_transform",
            ("view[part.rows[own], :, part.cols[own]] = pixels.reshape(len(own), CELL, CELL, 3)"),
            (
                "pixels = pixels.reshape(len(own), CELL, CELL, 3)\n"
                "pixels[part.cols[own] == view.shape[2] - 1] = 128\n"
                "view[part.rows[own], :, part.cols[own]] = pixels.reshape(len(own), CELL, CELL, 3)"
            ),
        ),
    ),
    mutant(
        "edge-from-the-other-side",
        "T3",
        "RECO-02",
        (
            "decoder._own",
            "canvas[:height, :width]",
            "canvas[canvas.shape[0] - height:, canvas.shape[1] - width:]",
        ),
    ),
    mutant(
        "blue-first",
        "T3",
        "RECO-01",
        ("synthesis_transform", "out.astype(np.uint8)", "out[:, ::-1].astype(np.uint8)"),
    ),
    mutant(
        "pixels-transposed",
        "T3",
        "NETW-05",
        ("synthesis_transform", "pixels.transpose(0, 1, 3, 2, 4, 5)", "pixels.transpose(0, 2, 4, 1, 3, 5)"),
    ),
    mutant(
        "gating-left-out",
        "T1",
        "NETW-08 NETW-02 RECO-05",
        ("Sites._cell_taps", "np.where(labels[other] == labels[:n], other, n)", "other"),
    ),
    mutant(
        "add-unclamped",
        "T3",
        "NETW-06",
        ("Add.run", "np.clip(x, *self.clamp, out=x)", "x"),
    ),
    mutant(
        "push-takes-the-wrong-one",
        "T1",
        "NETW-06",
        ("Add.run", "work.pushed.pop()", "work.pushed.pop()[::-1]"),
    ),
    mutant(
        "samples-converted",
        "T3",
        "ICCP-02",
        (
            "_decoded",
            "_own(canvas, head.height, head.width)",
            "_own(canvas // (1 + (stream.chunk(193) is not None)), head.height, head.width)",
        ),
    ),
    mutant(
        "samples-converted-by-numbers",
        "T3",
        "ICCP-02",
        (
            "_decoded",
            "_own(canvas, head.height, head.width)",
            "_own(canvas // (1 + (stream.chunk(194) is not None)), head.height, head.width)",
        ),
    ),
    mutant(
        "samples-turned",
        "T3",
        "EXIF-03",
        (
            "_decoded",
            "_own(canvas, head.height, head.width)",
            "_own(canvas[:: 1 if stream.chunk(131) is None else -1], head.height, head.width)",
        ),
    ),
)
