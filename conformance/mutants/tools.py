"""Mutants of limits, model files and editors."""

from .plant import Mutant, mutant

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "score-of-256",
        "T0",
        "OBJS-08",
        ("objs.read_objects", "row.score / 255", "row.score / 256"),
    ),
    mutant(
        "limit-too-low",
        "T0",
        "LIMT-03 LIMT-02",
        ("Limits.pixels", "1 << 28", "1 << 20"),
    ),
    mutant(
        "model-unknown-keys-refused",
        "M",
        "MODL-08",
        ("parse_model", "whole_number(description['profile']) != 1", "len(description) > 8"),
    ),
    mutant(
        "writes-as-it-goes",
        "C",
        "TOOL-04",
        (
            "write_file",
            "handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY + _mark, dir=target.parent)",
            "temporary = str(target)\nhandle = os.open(temporary, os.O_CREAT | os.O_WRONLY)",
        ),
        ("write_file", "os.unlink(temporary)\nraise", "raise"),
    ),
    mutant(
        "no-input-is-usage",
        "C",
        "TOOL-06",
        ("open_file", "'E_INPUT'", "'E_USAGE'"),
    ),
    mutant(
        "no-room-is-usage",
        "C",
        "TOOL-07",
        ("write_file", "'E_IO'", "'E_USAGE'"),
    ),
    mutant(
        "alpha-opaque",
        "A",
        "RECO-04",
        ("rgba", "covered[:, :, None]", "np.maximum(covered[:, :, None], np.array([0, 0, 0, 1]))"),
    ),
    mutant(
        "alpha-coloured",
        "A",
        "RECO-04",
        ("rgba", "covered[:, :, None]", "np.maximum(covered[:, :, None], np.array([1, 1, 1, 0], bool))"),
    ),
    mutant(
        "model-name-required",
        "M",
        "MODL-13",
        ("parse_model", "description.get('name')", "description['name']"),
    ),
    mutant(
        "model-minus-zero",
        "M",
        "MODL-16",
        (
            "strict_json",
            "json.loads(text, parse_constant=_no_number)",
            "json.loads(text.replace('-0,', '-1,'), parse_constant=_no_number)",
        ),
    ),
    mutant(
        "model-without-operators",
        "M",
        "NETW-15",
        ("_check_model", "not network", "False"),
    ),
    mutant(
        "model-of-any-number",
        "T1",
        "MODL-15",
        ("_model_file", "number not in registered and number < PRIVATE", "False"),
    ),
    mutant(
        "model-wanted-by-validators",
        "V",
        "TOOL-10 HEAD-04",
        ("_symbol_errors", "not complete", "False"),
    ),
    mutant(
        "model-frequencies",
        "M",
        "MODL-02",
        ("_frequencies", "table.sum() != 1 << 15", "False"),
    ),
    mutant(
        "model-bound",
        "M",
        "NETW-12",
        ("_Affine._check_sums", "int(total.max()) >= BOUND", "False"),
    ),
    mutant(
        "model-passes",
        "M",
        "MODL-03",
        ("_check_model", "coded[0] != set(range(m)) or coded[1] != coded[0]", "False"),
    ),
    mutant(
        "model-profile",
        "M",
        "MODL-05",
        ("parse_model", "whole_number(description['profile']) != 1", "False"),
    ),
    mutant(
        "model-last-operator",
        "M",
        "NETW-13",
        ("_check_model", "pixels.clamp != (0, 255)", "False"),
    ),
    mutant(
        "editor-changes-quality",
        "X",
        "EDIT-01",
        (
            "withdraw",
            "replace(g, size=0, state=WITHDRAWN, payload=None)",
            "replace(g, size=0, quality=0, state=WITHDRAWN, payload=None)",
        ),
    ),
    mutant(
        "editor-forgets-the-damaged",
        "X",
        "EDIT-11",
        (
            "withdraw",
            "new.state != old.state",
            "new.state != old.state and old.index not in kept",
        ),
    ),
    mutant(
        "cut-groups-are-not-said",
        "T0",
        "TOOL-13",
        ("Parser.groups", "(TRUNCATED, DAMAGED)", "(DAMAGED,)"),
    ),
    mutant(
        "editor-preamble",
        "X",
        "EDIT-06",
        ("build", "len(before)", "len(before) + 1"),
    ),
    mutant(
        "editor-keeps-objects",
        "X",
        "EDIT-02",
        (
            "_filtered",
            "[row for row in rows if row.group in left]",
            "[row for row in rows if row.group >= 0]",
        ),
    ),
    mutant(
        "editor-keeps-unknown",
        "X",
        "EDIT-03",
        ("_filtered", "chunk.type & SAFE_TO_COPY", "chunk.type & SAFE_TO_COPY or chunk.type != OBJS"),
    ),
    mutant(
        "editor-keeps-provenance",
        "X",
        "EDIT-09",
        ("_filtered", "chunk.type & SAFE_TO_COPY", "chunk.type & SAFE_TO_COPY or chunk.type == 130"),
    ),
    mutant(
        "editor-keeps-exif",
        "X",
        "EDIT-10",
        ("_filtered", "chunk.type & SAFE_TO_COPY", "chunk.type & SAFE_TO_COPY or chunk.type in (131, 132)"),
    ),
    mutant(
        "editor-drops-safe",
        "X",
        "EDIT-04",
        ("_filtered", "chunk.type & SAFE_TO_COPY", "chunk.type == 193"),
    ),
)
