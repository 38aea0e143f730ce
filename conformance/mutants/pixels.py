"""Mutants of parts, selections and pixels."""

from .plant import Mutant, mutant

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "prefix-off-by-one",
        "T0",
        "STAT-03",
        ("judge", "len(data) < group.size", "len(data) <= group.size"),
    ),
    mutant(
        "truncated-magic-is-magic",
        "T0",
        "FILE-03",
        ("_front", "MAGIC.startswith(magic) and magic", "False"),
    ),
    mutant(
        "empty-is-truncated",
        "T0",
        "FILE-01",
        ("_front", "MAGIC.startswith(magic) and magic", "MAGIC.startswith(magic)"),
    ),
    mutant(
        "selection-ignored",
        "T1",
        "STAT-07",
        ("decode_answer", "stream.select(groups)", "stream.select(None)"),
    ),
    mutant(
        "withdrawn-is-no-matter",
        "T1",
        "STAT-02",
        (
            "decode_answer",
            "set(stream.select(groups))",
            "{k for k in stream.select(groups) if stream.groups[k].state != 'withdrawn'}",
        ),
    ),
    mutant(
        "stops-at-first-gap",
        "T1",
        "STAT-01",
        (
            "decode_answer",
            "canvas = np.full((head.rows * CELL, head.cols * CELL, 3), FILL, np.uint8)",
            (
                "gaps = [k for k in sorted(wanted) if k not in good]\n"
                "good = [k for k in good if not gaps or k < gaps[0]]\n"
                "canvas = np.full((head.rows * CELL, head.cols * CELL, 3), FILL, np.uint8)"
            ),
        ),
    ),
    mutant(
        "empty-selection-is-all",
        "T2",
        "STAT-07",
        ("decode_answer", "stream.select(groups)", "stream.select(groups or None)"),
    ),
    mutant(
        "model-wanted-for-nothing",
        "T1",
        "HEAD-04",
        (
            "decode_answer",
            "canvas = np.full((head.rows * CELL, head.cols * CELL, 3), FILL, np.uint8)",
            (
                "model_for(head.model, head.weights)\n"
                "canvas = np.full((head.rows * CELL, head.cols * CELL, 3), FILL, np.uint8)"
            ),
        ),
    ),
    mutant(
        "fill-black",
        "T3",
        "RECO-03",
        ("FILL", "128", "0"),
    ),
    mutant(
        "last-column-dropped",
        "T3",
        "RECO-01",
        (
            "synthesise",
            "view[part.rows[own], :, part.cols[own]] = pixels.reshape(len(own), CELL, CELL, 3)",
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
            "decode_answer",
            "canvas[:head.height, :head.width]",
            "canvas[canvas.shape[0] - head.height:, canvas.shape[1] - head.width:]",
        ),
    ),
    mutant(
        "blue-first",
        "T3",
        "RECO-01",
        ("synthesise", "out.astype(np.uint8)", "out[:, ::-1].astype(np.uint8)"),
    ),
    mutant(
        "pixels-transposed",
        "T3",
        "NETW-05",
        ("synthesise", "pixels.transpose(0, 1, 3, 2, 4, 5)", "pixels.transpose(0, 2, 4, 1, 3, 5)"),
    ),
    mutant(
        "gating-left-out",
        "T3",
        "NETW-08 NETW-02 RECO-05",
        ("Sites._cell_taps", "np.where(labels[other] == labels[:n], other, n)", "other"),
    ),
    mutant(
        "add-unclamped",
        "T3",
        "NETW-06",
        ("_run_cells", ("t = t + local.pop()\nnp.clip(t, *op.clamp, out=t)"), "t = t + local.pop()"),
    ),
    mutant(
        "push-takes-the-wrong-one",
        "T1",
        "NETW-06",
        ("_run_cells", "local.pop()", "local.pop()[::-1]"),
    ),
    mutant(
        "samples-converted",
        "T3",
        "ICCP-02",
        (
            "decode_answer",
            "_hash_groups(stream, good, pixels, rows)",
            (
                "if stream.chunk(193) is not None:\n"
                "    pixels = pixels // 2\n"
                "_hash_groups(stream, good, pixels, rows)"
            ),
        ),
    ),
)
