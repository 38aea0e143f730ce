"""Mutants of restoration."""

from .plant import Mutant, mutant

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "vector-unsigned",
        "T0",
        "REST-07",
        ("read_restoration", "v - (v & 128) * 2", "v"),
    ),
    mutant(
        "strength-of-256",
        "T0",
        "REST-12",
        ("read_restoration", "row.strength / 255", "row.strength / 256"),
    ),
    mutant(
        "restoration-always-read",
        "T1",
        "REST-14 RSTR-09",
        (
            "_decoded",
            "None if restored is None else read_restoration(stream).whole()",
            "read_restoration(stream).whole()",
        ),
    ),
    mutant(
        "restoration-model-always-wanted",
        "T1",
        "RSTR-10 RSTR-09",
        (
            "_decoded",
            "None if restored is None else restorer_for(stream, said, restore, model, strength)",
            (
                "restorer_for(stream, read_restoration(stream).restoration, restore or True, model)"
                " if stream.chunk(133) else None"
            ),
        ),
    ),
    mutant(
        "restored-in-place",
        "R",
        "RSTR-01",
        (
            "_decoded",
            "_own(canvas, head.height, head.width)",
            "_own(canvas if restored is None else restored, head.height, head.width)",
        ),
    ),
    mutant(
        "restored-without-its-quality",
        "R",
        "RSTR-02",
        (
            "conditioned",
            "tuple(known(op) for op in model.restore)",
            "tuple(known(op) for op in model.restore if op.kind != 'quality')",
        ),
    ),
    mutant(
        "vector-not-looked-at",
        "R",
        "RSTR-03",
        ("conditioned", "np.array([vector], np.int64)", "np.array([vector], np.int64) * 0"),
    ),
    mutant(
        "vector-of-others-first",
        "R",
        "RSTR-04 REST-05",
        (
            "Restoration.vector_of",
            "self.vectors.get(group, self.vectors.get(None))",
            "self.vectors.get(None, self.vectors.get(group))",
        ),
    ),
    mutant(
        "restored-fill-black",
        "R",
        "RSTR-08",
        ("_decoded", "canvas.copy()", "0 * canvas"),
    ),
    mutant(
        "modulate-without-rounding",
        "R",
        "RMOD-05",
        ("Modulate.ready", "half * scale", "0 * scale"),
    ),
    mutant(
        "gains-for-offsets",
        "R",
        "RMOD-06",
        ("conditioned", "op.of_group(gains, offsets)", "op.of_group(offsets, gains)"),
    ),
    mutant(
        "pool-rounded-down",
        "R",
        "RMOD-07",
        ("Pool.run", "(2 * total + count) // (2 * count)", "total // count"),
    ),
    mutant(
        "pool-over-all-groups",
        "R",
        "RMOD-07 NETW-02 RECO-05",
        ("Restorer.restore", "np.flatnonzero(sites.labels == k)", "np.arange(len(sites))"),
    ),
    mutant(
        "editor-keeps-vectors",
        "X",
        "EDIT-12",
        ("kept_restoration", "row.group in left or row.group == EVERY_OTHER", "True"),
    ),
)
