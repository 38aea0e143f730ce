// SPDX-License-Identifier: Apache-2.0
// The compiled core of sdc/core as WebAssembly with SIMD, an engine for sdc.js that gives the same numbers sooner.
//
//   import { loadCore } from './core.js';
//   import { useEngine } from './sdc.js';
//   useEngine(await loadCore());             // throws where there is no WebAssembly with SIMD
//
// It is no part of the independent decoder, which works without it: `make wasm` makes core.wasm of the C sources.
import { PLAIN, SdcError, inputOf } from './sdc.js';

const KINDS = ['pointwise', 'depthwise', 'quality', 'modulate', 'push', 'add', 'hyper', 'shuffle'];
// Results of core.h, from 0 downwards.
const OK = 0;
const RESULTS = ['OK', 'NO_MEMORY', 'E_RANS_STATE', 'E_RANS_FINAL', 'E_ESCAPE', 'E_MASK_LABEL'];

/** What the core has found room for: `at`, unless it is 0. */
function had(at) {
  if (!at) throw new RangeError('no memory left for the compiled core');
  return at;
}

/** Throws what a result says of data[at .. end - 1]. */
function check(result, at, end) {
  const code = RESULTS[-result];
  if (code === 'OK') return;
  had(code !== 'NO_MEMORY');
  throw new SdcError(code, 'found by the compiled core', code === 'E_RANS_FINAL' ? end : at);
}

/** The first channel of a pass, and how many there are. */
function channelsOf(model, pass) {
  const [, first, past] = model.passes[pass];
  return [first, past - first];
}

/** Compiled code with memory of its own, in which tensors of models stay; an engine of sdc.js. */
class Core {
  constructor(exports) {
    this.c = exports;
    this.name = 'WebAssembly';
    this.bands = { context: 8192, synthesis: 8192 };
    this.kept = new WeakMap();
    this.registry = new FinalizationRegistry(([free, at]) => this.c[free](at));
    this.lent = [];
  }

  // ---- memory; it has another buffer whenever it has grown, so views are made anew

  view(Type, at, length) { return new Type(this.c.memory.buffer, at, length); }

  /** Room for numbers, or a copy of some, until the call of `within` around it ends; where it is. */
  room(Type, length) {
    const at = had(this.c.sdc_alloc(length * Type.BYTES_PER_ELEMENT));
    this.lent.push(at);
    return at;
  }

  lend(Type, values) {
    const at = this.room(Type, values.length);
    this.view(Type, at, values.length).set(values);
    return at;
  }

  within(work) {
    const from = this.lent.length;
    try {
      return work();
    } finally {
      for (const at of this.lent.splice(from)) this.c.sdc_free(at);
    }
  }

  /** What `make` makes of `owner` in memory, once; when the owner has gone, the function `free` frees it. */
  keep(owner, free, make) {
    if (!this.kept.has(owner)) {
      const at = this.within(make);
      this.kept.set(owner, at);
      this.registry.register(owner, [free, at]);
    }
    return this.kept.get(owner);
  }

  // ---- networks

  operator({ op, cin, cout, factor = 0, lo, hi }, Type, first, second, shift) {
    const lend = (T, values) => (values ? this.lend(T, values) : 0);
    return had(this.c.wasm_operator_new(KINDS.indexOf(op), cin, cout, factor, lend(Type, first), lend(Int32Array, second),
      lend(Uint8Array, shift), lo, hi));
  }

  /** An operator in memory; one that is not kept goes into `own`. */
  operatorFor(op, own) {
    const { tensors, table } = op;
    if (tensors) return this.keep(op, 'sdc_operator_free', () => this.operator(op, Int16Array, tensors.weight, tensors.bias, tensors.shift));
    if (table) return this.keep(op, 'sdc_operator_free', () => this.operator(op, Int16Array, table));
    own.push(this.within(() => this.operator(op, Int32Array, op.g, op.o, op.op === 'modulate' ? op.shift : null)));
    return own[own.length - 1];
  }

  /** See `runNetwork` of sdc.js, which runs what is too long or too deep for the core. */
  run(net, values, n, q, nb, features, F, keep) {
    const own = [];
    const network = had(this.c.wasm_network_new(inputOf(net), 1, F));
    try {
      const short = net.ops.every((op) => this.c.sdc_network_append(network, this.operatorFor(op, own)) === OK);
      if (!short) return PLAIN.run(net, values, n, q, nb, features, F, keep);
      return this.within(() => this.runOn(network, values.slice(0, n * inputOf(net)), n, q, nb, features, keep));
    } finally {
      this.c.sdc_network_free(network);
      for (const at of own) this.c.sdc_operator_free(at);
    }
  }

  runOn(network, x, n, q, nb, features, keep) {
    const wanted = keep ? keep.length : n;
    const size = wanted * this.c.sdc_network_factor(network) ** 2 * this.c.sdc_network_channels(network);
    const out = this.room(Int16Array, size);
    const code = this.c.wasm_network_run(network, n, nb ? this.lend(Int32Array, nb.map((k) => (k < 0 ? n : k))) : 0,
      this.lend(Uint8Array, new Uint8Array(n).fill(q)), this.lend(Int16Array, x), features ? this.lend(Int16Array, features) : 0,
      keep ? this.lend(Int32Array, keep) : 0, wanted, out);
    had(code === OK);
    return this.view(Int16Array, out, size).slice();
  }

  give() {} // what `run` returns is of no pool

  // ---- entropy coding

  tablesFor(tables) {
    const { reach, frequency } = tables;
    return this.keep(tables, 'sdc_free', () => had(this.c.sdc_tables_new(this.lend(Int32Array, reach), this.lend(Int32Array, frequency))));
  }

  /** See `Rans` of sdc.js. Between two calls the bytes and the state of the reader are here, not in memory. */
  reader(data, at, end) {
    const bytes = data.subarray(at, end);
    let state = new Uint8Array(this.c.wasm_reader_size());
    const step = (work) => this.within(() => {
      const own = this.lend(Uint8Array, state);
      check(work(own, this.lend(Uint8Array, bytes)), at, end);
      state = this.view(Uint8Array, own, state.length).slice();
    });
    step((own, from) => this.c.sdc_reader_begin(own, from, bytes.length));
    return {
      residuals: (tables, t, r, count) => step((own, from) => {
        const found = this.room(Int16Array, count);
        const code = this.c.wasm_read_symbols(own, from, this.tablesFor(tables), this.lend(Uint8Array, t), count, found);
        if (code === OK) r.set(this.view(Int16Array, found, count));
        return code;
      }),
      finish: () => step((own) => this.c.sdc_reader_finish(own)),
    };
  }

  /** See `parameters` of sdc.js. Rows of the tables are those of one quality, so the first is meant. */
  parameters(model, q, pass, y, t, mean) {
    const [first, width] = channelsOf(model, pass);
    const row = (table) => this.lend(Int32Array, table.subarray(q * model.M + first, q * model.M + first + width));
    this.within(() => {
      const cells = t.length / width;
      const index = this.room(Uint8Array, t.length);
      const means = this.room(Int32Array, mean.length);
      this.c.sdc_parameters(this.lend(Int16Array, y), this.lend(Uint8Array, new Uint8Array(cells)), cells, width,
        row(model.offset), row(model.inverse), width, model.SI, model.SM, index, means);
      t.set(this.view(Uint8Array, index, t.length));
      mean.set(this.view(Int32Array, means, mean.length));
    });
  }

  /** See `dequantise` of sdc.js. */
  dequantise(model, q, pass, r, mean, chosen, d) {
    const { M, step, SS, latent } = model;
    const [first, width] = channelsOf(model, pass);
    this.within(() => {
      const own = this.room(Int16Array, r.length);
      const row = this.lend(Int32Array, step.subarray(q * M + first, q * M + first + width));
      this.c.sdc_dequantise(this.lend(Int16Array, r), this.lend(Int32Array, mean), this.lend(Uint8Array, new Uint8Array(chosen.length)),
        this.lend(Int32Array, chosen.map((_, k) => k)), chosen.length, width, row, width, SS, ...latent, own, width);
      const found = this.view(Int16Array, own, r.length);
      chosen.forEach((cell, k) => d.set(found.subarray(k * width, (k + 1) * width), cell * M + first));
    });
  }

  /** See `decodeMap` of sdc.js. */
  decodeMap(data, at, end, rows, cols, count) {
    return this.within(() => {
      const labels = this.room(Uint8Array, rows * cols);
      check(this.c.sdc_decode_map(this.lend(Uint8Array, data.subarray(at, end)), end - at, rows, cols, count, labels), at, end);
      return this.view(Uint8Array, labels, rows * cols).slice();
    });
  }
}

/** The bytes of core.wasm beside this file. */
async function ownBytes() {
  const url = new URL('core.wasm', import.meta.url);
  if (url.protocol === 'file:') return (await import('node:fs')).readFileSync(url);
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`core.wasm: ${answer.status}`);
  return answer.arrayBuffer();
}

/** Whether a layer of two outputs gives a known answer. */
function answers(core) {
  const [cin, cout, sites, lo, hi] = [33, 2, 3, -2048, 2047];
  const weight = Int32Array.from({ length: cout * cin }, (_, i) => (i - 32) * 37);
  const x = Int16Array.from({ length: sites * cin }, (_, i) => ((i * 29) % 211) - 105);
  const tensors = { weight, bias: Int32Array.of(1000, -3000), shift: Int32Array.of(3, 5) };
  const found = core.run({ ops: [{ op: 'pointwise', cin, cout, lo, hi, tensors }], channels: cout }, x, sites, 0, null, null, 0, null);
  return found.every((value, at) => {
    const o = at % cout;
    let sum = tensors.bias[o] + (1 << (tensors.shift[o] - 1));
    for (let i = 0; i < cin; i++) sum += weight[o * cin + i] * x[(at - o) / cout * cin + i];
    return value === Math.min(Math.max(sum >> tensors.shift[o], lo), hi);
  });
}

/**
 * The engine, of the bytes of a module or of core.wasm.
 * Throws where there is no such file, no WebAssembly with SIMD, or one that computes wrongly.
 */
export async function loadCore(bytes) {
  const { instance } = await WebAssembly.instantiate(bytes ?? await ownBytes(), {});
  const core = new Core(instance.exports);
  if (!answers(core)) throw new Error('the compiled core gives a wrong answer');
  return core;
}
