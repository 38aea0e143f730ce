"""Mutants of the group map, entropy decoding and latents."""

from .plant import Mutant, mutant

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "map-empty-group",
        "T1",
        "MASK-03",
        ("parse_map", "not present[k + 1]", "False"),
    ),
    mutant(
        "map-label",
        "T1",
        "MASK-05",
        ("_get_other", "raise SdcError('E_MASK_LABEL')", "return 0"),
    ),
    mutant(
        "map-far-north",
        "T0",
        "MASK-04 MASK-05",
        ("_neighbours", "above2[x]", "above[x]"),
    ),
    mutant(
        "map-far-east",
        "T0",
        "MASK-05",
        ("_neighbours", "above[x + 2] if x + 2 < cols else ne", "ne"),
    ),
    mutant(
        "map-contexts-shared",
        "T0",
        "MASK-07",
        ("labels.decode_map", "models.first[context]", "models.first[context & 15]"),
        ("labels.encode_map", "models.first[context]", "models.first[context & 15]"),
    ),
    mutant(
        "map-pattern",
        "T0",
        "MASK-05",
        ("_neighbours", "n == ne", "n == nw"),
    ),
    mutant(
        "map-end-unchecked",
        "T0",
        "MASK-06",
        ("labels.decode_map", "decoder.finish()", "pass"),
    ),
    mutant(
        "bit-start",
        "T0",
        "BINM-01 MASK-07",
        ("AdaptiveBit.__init__", "self.p = p", "self.p = TOTAL // 2"),
    ),
    mutant(
        "bit-starts-unused",
        "T0",
        "BINM-01 MASK-07",
        ("AdaptiveBit.__init__", "self.n = n", "self.n = 0"),
    ),
    mutant(
        "map-starts-of-patterns",
        "T0",
        "MASK-07",
        ("labels.SECOND", "28672", "28673"),
    ),
    mutant(
        "bit-sides-swapped",
        "T0",
        "BINM-02",
        (
            "AdaptiveBit.put",
            "encoder.put(0, p) if bit else encoder.put(p, TOTAL - p)",
            "encoder.put(TOTAL - p, p) if bit else encoder.put(0, TOTAL - p)",
        ),
        (
            "AdaptiveBit.get",
            (
                "bit = int(decoder.slot() < p)\n"
                "decoder.advance(0, p) if bit else decoder.advance(p, TOTAL - p)"
            ),
            (
                "bit = int(decoder.slot() >= TOTAL - p)\n"
                "decoder.advance(TOTAL - p, p) if bit else decoder.advance(0, TOTAL - p)"
            ),
        ),
    ),
    mutant(
        "bit-rate",
        "T0",
        "BINM-03",
        ("AdaptiveBit.LIMIT", "62", "61"),
    ),
    mutant(
        "bit-floor",
        "T0",
        "BINM-03",
        ("AdaptiveBit.FLOOR", "64", "32"),
    ),
    mutant(
        "bit-rounding",
        "T0",
        "BINM-03 NOTA-03",
        (
            "AdaptiveBit._update",
            "((TOTAL if bit else 0) - self.p) * self.RATES[n] >> 16",
            "int(((TOTAL if bit else 0) - self.p) * self.RATES[n] / 65536)",
        ),
    ),
    mutant(
        "words-big-endian",
        "T0",
        "RANS-01 NOTA-01",
        (
            "Decoder.__init__",
            "np.frombuffer(data, '<u2', offset=size)",
            "np.frombuffer(data, '>u2', offset=size)",
        ),
        ("Encoder.finish", "np.array(words, '<u2')", "np.array(words, '>u2')"),
    ),
    mutant(
        "rans-state-big-endian",
        "T0",
        "RANS-01 NOTA-01",
        (
            "Decoder.__init__",
            "int.from_bytes(data[:size], 'little')",
            "int.from_bytes(data[:size], 'big')",
        ),
        (
            "Encoder.finish",
            "x.to_bytes((x.bit_length() + 7) // 8, 'little')",
            "x.to_bytes((x.bit_length() + 7) // 8, 'big')",
        ),
    ),
    mutant(
        "rans-state-of-four-bytes",
        "T0",
        "RANS-01",
        (
            "Decoder.__init__",
            "size = min(len(data), 4 - len(data) % 2)",
            "data = data + bytes(len(data) % 2)\nsize = min(len(data), 4)",
        ),
    ),
    mutant(
        "rans-state-unchecked",
        "T0",
        "RANS-03",
        ("Decoder.__init__", "size and not data[size - 1]", "False"),
    ),
    mutant(
        "rans-final-unchecked",
        "T0",
        "RANS-07",
        ("Decoder.finish", "if self.x:\n    raise SdcError('E_RANS_FINAL')", "pass"),
    ),
    mutant(
        "rans-final-is-old",
        "T0",
        "RANS-07",
        (
            "Decoder.finish",
            "if self.x:\n    raise SdcError('E_RANS_FINAL')",
            ("if self.x != STATE_MIN:\n    raise SdcError('E_RANS_FINAL')"),
        ),
        ("Encoder.finish", "x = 0", "x = STATE_MIN"),
    ),
    mutant(
        "rans-empty-refused",
        "T0",
        "RANS-11 RANS-01",
        (
            "Decoder.slot",
            "return self.x & TOTAL - 1",
            (
                "if not self.x and not self.words:\n"
                "    raise SdcError('E_RANS_FINAL')\n"
                "return self.x & TOTAL - 1"
            ),
        ),
        ("read_symbols", "symbols: list[int] = []", "symbols: list[int] = []\ndecoder.slot()"),
    ),
    mutant(
        "rans-refills-without-words",
        "T1",
        "RANS-11",
        (
            "Decoder.symbols",
            ("if x < STATE_MIN and used < past:\n    x = x << 16 | words[used]\n    used += 1"),
            ("if x < STATE_MIN:\n    x = x << 16 | (words[used] if used < past else 0)\n    used += 1"),
        ),
    ),
    mutant(
        "raw-from-below",
        "T0",
        "RANS-06",
        ("Encoder.put_raw", "value << TOTAL_BITS - bits", "(1 << bits) - 1 - value << TOTAL_BITS - bits"),
        ("Decoder.raw", "return value", "return (1 << bits) - 1 - value"),
    ),
    mutant(
        "even-rounds-up",
        "T0",
        "RANS-10",
        (
            "Encoder.put_uniform",
            (
                "start = (value << TOTAL_BITS) // count\n"
                "self.put(start, (value + 1 << TOTAL_BITS) // count - start)"
            ),
            (
                "start = -(-(value << TOTAL_BITS) // count)\n"
                "self.put(start, -(-(value + 1 << TOTAL_BITS) // count) - start)"
            ),
        ),
        (
            "Decoder.uniform",
            (
                "value = (self.slot() + 1) * count - 1 >> TOTAL_BITS\n"
                "start = (value << TOTAL_BITS) // count\n"
                "self.advance(start, (value + 1 << TOTAL_BITS) // count - start)"
            ),
            (
                "value = self.slot() * count >> TOTAL_BITS\n"
                "start = -(-(value << TOTAL_BITS) // count)\n"
                "self.advance(start, -(-(value + 1 << TOTAL_BITS) // count) - start)"
            ),
        ),
    ),
    mutant(
        "table-one-off",
        "T1",
        "SYMB-02 RANS-04",
        ("_frequencies", "out.append(table)", "out.append(table[[*range(1, 2 * r + 1), 0, 2 * r + 1]])"),
    ),
    mutant(
        "escape-sign",
        "T1",
        "SYMB-04",
        ("_read_escape", "-size if negative else size", "size if negative else -size"),
        ("write_symbols", "int(r[k] < 0)", "int(r[k] > 0)"),
    ),
    mutant(
        "escape-length",
        "T1",
        "SYMB-04",
        ("_read_escape", "reach + 1 + (1 << bits)", "reach + (1 << bits)"),
        ("write_symbols", "int(beyond[k])", "1 + int(beyond[k])"),
    ),
    mutant(
        "escape-unbounded",
        "T1",
        "SYMB-05",
        ("_read_escape", "size > RESIDUAL_MAX", "size > 65535"),
    ),
    mutant(
        "escape-prefix-unbounded",
        "T1",
        "SYMB-05",
        (
            "_read_escape",
            ("if bits > ESCAPE_BITS:\n    raise SdcError('E_ESCAPE')"),
            ("if bits > ESCAPE_BITS:\n    return 0"),
        ),
    ),
    mutant(
        "symbol-offset",
        "T1",
        "SYMB-03",
        (
            "read_symbols",
            "np.array(symbols, np.int64) - tables.reach[indices[coded]]",
            "tables.reach[indices[coded]] - np.array(symbols, np.int64)",
        ),
        ("SymbolTables.entries", "residuals + reach", "reach - residuals"),
    ),
    mutant(
        "index-zero-is-coded",
        "T1",
        "SYMB-01",
        (
            "read_symbols",
            "coded = np.flatnonzero(indices)",
            ("indices = np.maximum(indices, 1)\ncoded = np.flatnonzero(indices)"),
        ),
        (
            "write_symbols",
            "coded = np.flatnonzero(indices)",
            ("indices = np.maximum(indices, 1)\ncoded = np.flatnonzero(indices)"),
        ),
    ),
    mutant(
        "hyper-rounding",
        "T1",
        "PASS-03 NOTA-02 NOTA-03",
        (
            "GroupCoder.hyper_values",
            "residuals * m.hyper_step[self.block_qualities] + (1 << shift - 1) >> shift",
            "np.rint(residuals * m.hyper_step[self.block_qualities] / (1 << shift)).astype(np.int64)",
        ),
    ),
    mutant(
        "hyper-clamp",
        "T1",
        "PASS-03",
        (
            "GroupCoder.hyper_values",
            "np.clip(scaled, *m.hyper_range)",
            "np.clip(scaled, m.hyper_range[0], m.hyper_range[1] - 1)",
        ),
    ),
    mutant(
        "blocks-by-column",
        "T1",
        "PASS-02",
        (
            "GroupCoder.blocks",
            "rows // BLOCK * 65536 + cols // BLOCK",
            "cols // BLOCK * 65536 + rows // BLOCK",
        ),
    ),
    mutant(
        "place-in-block-transposed",
        "T1",
        "NETW-05 NETW-10",
        ("GroupCoder.blocks", "rows % BLOCK * BLOCK + cols % BLOCK", "cols % BLOCK * BLOCK + rows % BLOCK"),
    ),
    mutant(
        "parity-swapped",
        "T1",
        "PASS-04",
        ("GroupCoder.bands", "sites.rows + sites.cols", "sites.rows + sites.cols + 1"),
        ("symbol_bytes", "sites.rows + sites.cols", "sites.rows + sites.cols + 1"),
    ),
    mutant(
        "parity-from-group",
        "T1",
        "PASS-04",
        (
            "GroupCoder.bands",
            "sites.rows + sites.cols",
            (
                "sites.rows + sites.cols - (sites.rows + sites.cols)[(lambda u: u[1][u[2]])"
                "(np.unique(sites.labels, return_index=True, return_inverse=True))]"
            ),
        ),
    ),
    mutant(
        "second-half-first",
        "T1",
        "PASS-01",
        ("GroupCoder.coding_passes", "enumerate(self.model.passes)", "[*enumerate(self.model.passes)][::-1]"),
    ),
    mutant(
        "context-sees-nothing",
        "T1",
        "PASS-05 NETW-11",
        ("GroupCoder.parameters", "latents[band.outer]", "latents[band.outer] * 0"),
    ),
    mutant(
        "index-clamp-62",
        "T1",
        "PASS-06",
        ("latents.entropy_parameters", "63", "62"),
    ),
    mutant(
        "index-rounding",
        "T1",
        "PASS-06",
        (
            "latents.entropy_parameters",
            "raw[:, : b - a] + offset + (1 << s - 1)",
            "raw[:, : b - a] + offset",
        ),
    ),
    mutant(
        "mean-rounding",
        "T1",
        "PASS-07 NOTA-03",
        (
            "latents.entropy_parameters",
            "raw[:, b - a :] * inverse + (1 << s - 1) >> s",
            "np.sign(raw[:, b - a :]) * (np.abs(raw[:, b - a :]) * inverse + (1 << s - 1) >> s)",
        ),
    ),
    mutant(
        "v-clamp",
        "T1",
        "PASS-08",
        ("V_MAX", "(-65536, 65535)", "(-65536, 32767)"),
    ),
    mutant(
        "v-unclamped",
        "T1",
        "PASS-08",
        (
            "dequantised",
            "np.clip((residuals.astype(np.int64) << 4) + mean, V_MIN, V_MAX)",
            "(residuals.astype(np.int64) << 4) + mean",
        ),
    ),
    mutant(
        "latent-rounding",
        "T1",
        "PASS-08 NOTA-03",
        (
            "dequantised",
            "v * model.step[qualities, a:b] + (1 << s - 1) >> s",
            "np.trunc((v * model.step[qualities, a:b] + (1 << s - 1)) / (1 << s)).astype(np.int64)",
        ),
    ),
    mutant(
        "latent-clamp",
        "T1",
        "PASS-08",
        (
            "dequantised",
            "np.clip(v * model.step[qualities, a:b] + (1 << s - 1) >> s, *model.latent_range)",
            (
                "np.clip(v * model.step[qualities, a:b] + (1 << s - 1) >> s, "
                "-model.latent_range[1], model.latent_range[1])"
            ),
        ),
    ),
    mutant(
        "pointwise-rounding",
        "T1",
        "NETW-03",
        ("_Affine._prepare", "self.bias.astype(np.int64) + half", "self.bias.astype(np.int64)"),
    ),
    mutant(
        "pointwise-clamp",
        "T1",
        "NETW-03",
        (
            "_Affine._finish",
            "np.clip(sums, *self.clamp, out=sums)",
            "np.clip(sums, self.clamp[0], self.clamp[1] - 1, out=sums)",
        ),
    ),
    mutant(
        "depthwise-transposed",
        "T1",
        "NETW-07",
        ("Sites._cell_taps", "(dy + 1, dx + 1)", "(dx + 1, dy + 1)"),
    ),
    mutant(
        "edge-repeats",
        "T1",
        "NETW-08",
        (
            "Sites._cell_taps",
            "np.where(labels[other] == labels[:n], other, n)",
            "np.where(labels[other] == labels[:n], other, np.arange(n))",
        ),
    ),
    mutant(
        "quality-table-row",
        "T1",
        "NETW-04",
        ("Quality.run", "work.sites.qualities[work.cells]", "work.sites.qualities[work.cells] ^ 1"),
    ),
    mutant(
        "quality-unclamped",
        "T1",
        "NETW-04",
        ("Quality.run", "np.clip(x, *self.clamp, out=x)", "x"),
    ),
    mutant(
        "hyper-before",
        "T1",
        "NETW-09 NETW-01",
        ("Hyper.run", "[x, work.hyper[work.cells]]", "[work.hyper[work.cells], x]"),
    ),
    mutant(
        "model-hash-ignored",
        "T1",
        "HEAD-05",
        ("model_for", "model.weights != weights", "False"),
    ),
    mutant(
        "model-number-ignored",
        "T1",
        "HEAD-04 MODL-06",
        ("model_for", "load_model(number)", "load_model(0)"),
    ),
    mutant(
        "pixels-in-spite-of-an-error",
        "T1",
        "STAT-08",
        (
            "_decoded",
            "raise symbols",
            ("good = [other for other in good if other != k]\nlatents[sites.labels == k] = 0\ncontinue"),
        ),
    ),
    mutant(
        "metadata-judged-by-decode",
        "T1",
        "OBJS-18",
        ("_decoded", "head = stream.head", ("parse_objects(stream)\nhead = stream.head")),
    ),
)
