// SPDX-License-Identifier: Apache-2.0
// A decoder of SDC 1.0, written from the specification alone.
// One ES module without dependencies, for browsers and Node 20 or later.
//
//   import { loadModel, decode, parse } from './sdc.js';
//   const model = loadModel(bytesOfModelFile);
//   const r = decode(bytesOfStream, { models: [model] });
//   r.pixels is Uint8Array, r.width, r.height, r.state, r.errors
//
// Ids in comments, such as CHNK-07, are those of the specification.

// ---------------------------------------------------------------- errors

const CLASSES = {
  invalid: ['E_MAGIC', 'E_TRUNCATED', 'E_VARINT', 'E_HEAD_CRC', 'E_CHUNK_DUPLICATE', 'E_PAYLOAD_LENGTH',
    'E_HEAD_SIZE', 'E_GRPS_COUNT', 'E_GRPS_ORDER', 'E_GRPS_SIZE', 'E_GRPS_PREAMBLE', 'E_MASK_EMPTY_GROUP',
    'E_MASK_LABEL', 'E_RANS_STATE', 'E_RANS_FINAL', 'E_ESCAPE', 'E_DEFLATE', 'E_OBJS', 'E_REST'],
  unsupported: ['E_CHUNK_CRITICAL', 'E_FEATURE', 'E_MODEL', 'E_MODEL_HASH', 'E_LIMIT', 'E_MODEL_FILE'],
  partial: ['E_GROUP_TRUNCATED', 'E_GROUP_DAMAGED', 'E_GROUP_WITHDRAWN', 'E_CHUNK_DAMAGED'],
  usage: ['E_OBJECTS', 'E_PICTURE', 'E_USAGE'],
  input: ['E_INPUT'],
  io: ['E_IO'],
};
const CLASS_OF = new Map(Object.entries(CLASSES).flatMap(([cls, codes]) => codes.map((c) => [c, cls])));
export const EXIT = { valid: 0, invalid: 1, unsupported: 2, partial: 3, usage: 64, input: 66, io: 74 };

/** An error of appendix B: `code`, its class `cls`, and where it is, if known. */
export class SdcError extends Error {
  constructor(code, message, offset = null, where = '') {
    super(message);
    this.name = 'SdcError';
    this.code = code;
    this.cls = CLASS_OF.get(code);
    this.offset = offset;
    this.where = where;
  }
}
const fail = (code, message, offset, where) => { throw new SdcError(code, message, offset, where); };

// ---------------------------------------------------------------- SHA-256 (FIPS 180-4)

const SHA_K = new Int32Array(64);
const SHA_H = new Int32Array(8);
{
  // Fraction bits of the roots of the first primes, in integers: exact where Math.cbrt may not be.
  const root = (p, n) => {
    let lo = 0n;
    let hi = 1n << 40n;
    const target = BigInt(p) << BigInt(32 * n);
    while (lo < hi) {
      const mid = (lo + hi + 1n) >> 1n;
      if (mid ** BigInt(n) <= target) lo = mid; else hi = mid - 1n;
    }
    return Number(BigInt.asIntN(32, lo));
  };
  for (let p = 2, i = 0; i < 64; p++) {
    let prime = true;
    for (let d = 2; d * d <= p; d++) if (p % d === 0) { prime = false; break; }
    if (!prime) continue;
    if (i < 8) SHA_H[i] = root(p, 2);
    SHA_K[i++] = root(p, 3);
  }
}

/** SHA-256 of `data` in hexadecimal. */
export function sha256(data) {
  const h = SHA_H.slice();
  const w = new Int32Array(64);
  const whole = data.length - (data.length % 64);
  const rest = data.length - whole;
  const tail = new Uint8Array(rest < 56 ? 64 : 128);
  tail.set(data.subarray(whole));
  tail[rest] = 0x80;
  const bits = new DataView(tail.buffer);
  bits.setUint32(tail.length - 8, Math.floor(data.length / 0x20000000));
  bits.setUint32(tail.length - 4, (data.length * 8) >>> 0);
  const run = (d, end) => {
    for (let at = 0; at < end; at += 64) {
      for (let i = 0, p = at; i < 16; i++, p += 4) w[i] = (d[p] << 24) | (d[p + 1] << 16) | (d[p + 2] << 8) | d[p + 3];
      for (let i = 16; i < 64; i++) {
        const a = w[i - 15];
        const b = w[i - 2];
        const s0 = ((a >>> 7) | (a << 25)) ^ ((a >>> 18) | (a << 14)) ^ (a >>> 3);
        const s1 = ((b >>> 17) | (b << 15)) ^ ((b >>> 19) | (b << 13)) ^ (b >>> 10);
        w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
      }
      let [a, b, c, e, f, g] = [h[0], h[1], h[2], h[4], h[5], h[6]];
      let dd = h[3];
      let hh = h[7];
      for (let i = 0; i < 64; i++) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const t1 = (hh + s1 + ((e & f) ^ (~e & g)) + SHA_K[i] + w[i]) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        hh = g; g = f; f = e; e = (dd + t1) | 0; dd = c; c = b; b = a; a = (t1 + t2) | 0;
      }
      h[0] += a; h[1] += b; h[2] += c; h[3] += dd; h[4] += e; h[5] += f; h[6] += g; h[7] += hh;
    }
  };
  run(data, whole);
  run(tail, tail.length);
  return Array.from(h, (v) => (v >>> 0).toString(16).padStart(8, '0')).join('');
}

// ---------------------------------------------------------------- CRC-32 and varints

const CRC = new Int32Array(256);
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xEDB88320 : c >>> 1;
  CRC[i] = c;
}
/** Goes on with a CRC: start with -1, and complement the result. */
function crcUpdate(c, data, from, to) {
  for (let i = from; i < to; i++) c = (c >>> 8) ^ CRC[(c ^ data[i]) & 255];
  return c;
}
export const crc32 = (data) => ~crcUpdate(-1, data, 0, data.length) >>> 0;
const u32 = (d, at) => (d[at] | (d[at + 1] << 8) | (d[at + 2] << 16) | (d[at + 3] << 24)) >>> 0;

const CUT = -1; // the bytes end within the varint
const BAD = -2; // the bytes are no varint
/** Reads a varint before `end`: returns [value or CUT or BAD, offset behind it]. */
function readVarint(d, at, end) {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    if (at >= end) return [CUT, at];
    const b = d[at++];
    value += (b & 127) * 2 ** (7 * i);
    if (b < 128) return (b === 0 && i > 0) || value > 4294967295 ? [BAD, at] : [value, at];
  }
  return [BAD, at];
}

/** Reads the fields of a payload, from `at` to `end`. */
class Fields {
  constructor(data, at, end, name) { Object.assign(this, { data, at, end, name }); }
  short(field) { fail('E_PAYLOAD_LENGTH', 'the payload ends within a field', this.end, `${this.name}.${field}`); }
  u8(field) {
    if (this.at >= this.end) this.short(field);
    return this.data[this.at++];
  }
  varint(field) {
    const [value, next] = readVarint(this.data, this.at, this.end);
    if (value === CUT) this.short(field);
    if (value === BAD) fail('E_VARINT', 'not a varint', this.at, `${this.name}.${field}`);
    this.at = next;
    return value;
  }
  bytes(n, field) {
    if (n > this.end - this.at) this.short(field);
    this.at += n;
    return this.data.subarray(this.at - n, this.at);
  }
  done() { if (this.at !== this.end) fail('E_PAYLOAD_LENGTH', 'bytes behind the last field', this.at, this.name); }
}

// ---------------------------------------------------------------- rANS (section 9)

class Rans {
  constructor(data, at, end) {
    this.data = data;
    this.next = at + Math.min(end - at, 4 - ((end - at) & 1));
    this.end = end;
    this.x = 0; // the 32 bits of the state, as a signed number
    for (let i = at; i < this.next; i++) this.x |= data[i] << (8 * (i - at));
    if (this.next > at && data[this.next - 1] === 0) fail('E_RANS_STATE', 'the last byte of the first state is 0', at);
  }
  advance(start, freq) {
    let x = (Math.imul(freq, this.x >>> 15) + (this.x & 32767) - start) | 0;
    if (x >>> 16 === 0 && this.next < this.end) {
      x = (x << 16) | this.data[this.next] | (this.data[this.next + 1] << 8);
      this.next += 2;
    }
    this.x = x;
  }
  raw(n) {
    const v = (this.x & 32767) >> (15 - n);
    this.advance(v << (15 - n), 1 << (15 - n));
    return v;
  }
  even(n) {
    const v = (((this.x & 32767) + 1) * n - 1) >> 15;
    const start = Math.floor((v << 15) / n);
    this.advance(start, Math.floor(((v + 1) << 15) / n) - start);
    return v;
  }
  number(n) {
    if (n <= 32768) return this.even(n);
    const v = 2 * this.even((n + 1) >> 1);
    return v + this.even(Math.min(2, n - v));
  }
  escape(reach) {
    const negative = this.raw(1);
    let n = 0;
    while (this.raw(1) === 1) if (++n > 15) fail('E_ESCAPE', 'an escape of more than 15 bits', this.next);
    const e = (1 << n) - 1 + this.raw(n);
    if (reach + 1 + e > 32767) fail('E_ESCAPE', 'an escaped residual beyond 32767', this.next);
    return negative ? -(reach + 1 + e) : reach + 1 + e;
  }
  /** Decodes `count` residuals with the scale indices `t` into `r` (section 9.3). */
  residuals(tables, t, r, count) {
    const { cum, first, reach } = tables;
    const { data, end } = this;
    let { x, next } = this;
    for (let i = 0; i < count; i++) {
      const k = t[i];
      if (k === 0) { r[i] = 0; continue; }
      const slot = x & 32767;
      let p = first[(k << 8) | (slot >> 7)];
      while (slot >= cum[p + 1]) p++;
      const start = cum[p];
      x = (Math.imul(cum[p + 1] - start, x >>> 15) + slot - start) | 0;
      if (x >>> 16 === 0 && next < end) {
        x = (x << 16) | data[next] | (data[next + 1] << 8);
        next += 2;
      }
      const R = reach[k];
      const s = p - tables.base[k];
      if (s <= 2 * R) { r[i] = s - R; continue; }
      this.x = x;
      this.next = next;
      r[i] = this.escape(R);
      ({ x, next } = this);
    }
    this.x = x;
    this.next = next;
  }
  finish() {
    if (this.x !== 0) fail('E_RANS_FINAL', 'the state after the last symbol is not 0', this.end);
  }
}

const RATE = Int32Array.from({ length: 63 }, (_, n) => Math.floor(655360 / (10 * n + 16)));
const LATER = 40;
// Starts of the adaptive bits: first, second, later (MASK-07).
const STARTS = [
  18432, 28928, 14848, 16384, 27648, 16384, 16384, 26880, 12544, 32256, 11008, 16384, 19456, 16384, 16384, 16384,
  30208, 32512, 30976, 30464, 31488, 32256, 32000, 32000,
  18432, 21760, 28672, 16384, 23296, 16384, 16384, 30976, 27648, 24832, 31744, 16384, 31744, 16384, 16384, 16384,
  26880, 24576,
];

/** Decodes a label map (section 7.1) from `data[at .. end - 1]`. */
function decodeMap(data, at, end, rows, cols, count) {
  const rans = new Rans(data, at, end);
  const p = Int32Array.from(STARTS);
  const uses = new Int32Array(42).fill(12);
  const bit = (m) => {
    const q = p[m];
    const b = (rans.x & 32767) < q ? 1 : 0;
    if (b) rans.advance(0, q); else rans.advance(q, 32768 - q);
    const v = q + ((((b << 15) - q) * RATE[uses[m]]) >> 16);
    p[m] = v < 64 ? 64 : v > 32704 ? 32704 : v;
    if (uses[m] < 62) uses[m]++;
    return b;
  };
  const label = new Uint8Array(rows * cols);
  const seen = new Int32Array(4);
  const candidates = new Int32Array(4);
  for (let y = 0, i = 0; y < rows; y++) {
    for (let x = 0; x < cols; x++, i++) {
      const west = x > 0 ? label[i - 1] : y > 0 ? label[i - cols] : count;
      const north = y > 0 ? label[i - cols] : west;
      const nw = y > 0 && x > 0 ? label[i - cols - 1] : north;
      const ne = y > 0 && x + 1 < cols ? label[i - cols + 1] : north;
      let pattern;
      let context;
      if (west === north && west === ne && west === nw) {
        const west2 = x > 1 ? label[i - 2] : west;
        const north2 = y > 1 ? label[i - 2 * cols] : north;
        const ne2 = y > 0 && x + 2 < cols ? label[i - cols + 2] : ne;
        pattern = 15;
        context = 16 + (west2 === west ? 1 : 0) + (north2 === north ? 2 : 0) + (ne2 === ne ? 4 : 0);
      } else {
        pattern = (west === north ? 1 : 0) + (west === nw ? 2 : 0) + (north === nw ? 4 : 0) + (north === ne ? 8 : 0);
        context = pattern;
      }
      if (bit(context)) { label[i] = west; continue; }
      candidates[1] = north; candidates[2] = ne; candidates[3] = nw;
      seen[0] = west;
      let n = 1;
      let found = -1;
      for (let j = 1; j < 4 && found < 0; j++) {
        const c = candidates[j];
        if (c === seen[0] || (n > 1 && c === seen[1]) || (n > 2 && c === seen[2])) continue;
        if (bit(n === 1 ? 24 + pattern : LATER + n - 2)) found = c; else seen[n++] = c;
      }
      if (found < 0) {
        const left = count + 1 - n;
        if (left === 0) fail('E_MASK_LABEL', 'no label is left to choose from', rans.next);
        let v = rans.even(left);
        for (found = 0; ; found++) {
          if (found === seen[0] || (n > 1 && found === seen[1]) || (n > 2 && found === seen[2]) || (n > 3 && found === seen[3])) continue;
          if (v-- === 0) break;
        }
      }
      label[i] = found;
    }
  }
  rans.finish();
  return label;
}

// ---------------------------------------------------------------- model files (section 10)

// <registry> `make tables` writes this from spec/registry.json.
export const REGISTRY = [
  { number: 0, name: 'synthetic', sha256: 'fac271c636d78707a5cbe17493fcccc2c7eaf85bebe6019c3ba022696390ac80' },
  { number: 1, name: 'reference', sha256: '982b6f6b862cd46ad401fa3fac8c127a0eded511b2807166bab1f14396a9523a' },
  { number: 2, name: 'machines', sha256: 'fd8b6fb0739a46a48eb460bc016cdb9de949b9be64cf7c0d5d21032470df3817' },
  { number: 3, name: 'synthetic-restoration', sha256: 'd0340729ce9fa875a9f660731de0a248bc3bf44f88a41c937fcedb02789461cd' },
  { number: 4, name: 'restoration', sha256: '7783fa64400ad01e7587f228f84ec9dcbd2236ac86a069a18235a760e0e14c84' },
];
const PRIVATE = [16777216, 4294967295];
// </registry>

/** Whether a decoder can have a model of a number: it is in the registry, or private. */
const isKnown = (number) => number >= PRIVATE[0] || REGISTRY.some((e) => e.number === number);
const badModel = (message) => fail('E_MODEL_FILE', message);
const isInt = (v, lo, hi) => Number.isInteger(v) && v >= lo && v <= hi;
const isObject = (v) => typeof v === 'object' && v !== null && !Array.isArray(v);
const get = (o, key) => (Object.hasOwn(o, key) ? o[key] : undefined);
/** JSON.parse, but a number that is written with a fraction or an exponent becomes a string: it is no integer here. */
function parseJson(text) {
  try {
    JSON.parse(text);
    return JSON.parse(text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|[-+.\deE]+/g,
      (token) => (token[0] !== '"' && /\d/.test(token) && /[.eE]/.test(token) ? `"${token}"` : token)));
  } catch {
    return badModel('not JSON');
  }
}

function checkRange(v, what) {
  if (!Array.isArray(v) || v.length !== 2 || !isInt(v[0], -32768, 32767) || !isInt(v[1], v[0], 32767)) badModel(`${what} is no range`);
  return v;
}
const every = (name, t, lo, hi) => { for (const v of t) if (v < lo || v > hi) badModel(`a value of ${name} is out of range`); return t; };
const magnitude = ([lo, hi]) => Math.max(Math.abs(lo), Math.abs(hi));

/**
 * Reads a model file. Its number is that of the registry's entry with its hash; `options.number` states
 * the number of a file, which must be that one or private (MODL-06). Throws E_MODEL_FILE.
 * `profile` of what it returns is 1 for a model that decodes, 2 for one that restores.
 */
export function loadModel(file, options = {}) {
  const hash = sha256(file);
  const entry = REGISTRY.find((e) => e.sha256 === hash);
  let number = entry ? entry.number : null;
  if (options.number !== undefined && options.number !== number) {
    if (!isInt(options.number, ...PRIVATE)) badModel(`the file is not model ${options.number} of the registry`);
    number = options.number;
  }
  if (file.length < 8) badModel('no length');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const big = view.getBigUint64(0, true);
  if (big > BigInt(file.length - 8)) badModel('the description is longer than the file');
  const n = Number(big);
  let text;
  try { text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file.subarray(8, 8 + n)); } catch { badModel('not UTF-8'); }
  const header = parseJson(text);
  if (!isObject(header)) badModel('no object of JSON');
  const meta = get(header, '__metadata__');
  if (!isObject(meta) || typeof get(meta, 'sdc') !== 'string') badModel('no description');
  const desc = parseJson(meta.sdc);
  if (!isObject(desc)) badModel('no description');
  const data = 8 + n;

  const tensor = (name, dtype, shape) => {
    const t = name === '__metadata__' ? undefined : get(header, name);
    if (!isObject(t)) badModel(`no tensor ${name}`);
    const width = { U8: 1, I16: 2, I32: 4 }[dtype];
    const s = get(t, 'shape');
    const o = get(t, 'data_offsets');
    if (get(t, 'dtype') !== dtype || !Array.isArray(s) || s.length !== shape.length || s[0] === 0) badModel(`tensor ${name} has another type`);
    if (!s.every((v, i) => isInt(v, 0, 2 ** 32) && (shape[i] < 0 || v === shape[i]))) badModel(`tensor ${name} has another shape`);
    const count = s.reduce((a, b) => a * b, 1);
    if (!Array.isArray(o) || o.length !== 2 || !isInt(o[0], 0, file.length - data) || !isInt(o[1], o[0], file.length - data) ||
      o[1] - o[0] !== count * width) badModel(`tensor ${name} has wrong offsets`);
    const out = new Int32Array(count);
    for (let i = 0, p = data + o[0]; i < count; i++, p += width) {
      out[i] = width === 1 ? file[p] : width === 2 ? view.getInt16(p, true) : view.getInt32(p, true);
    }
    return { values: out, shape: s };
  };
  const profile = get(desc, 'profile');
  if (profile === 2) return restorationModel(desc, tensor, number, hash);
  if (profile !== 1) badModel('unknown profile');
  const M = get(desc, 'latents');
  const K = get(desc, 'hyper');
  if (!isInt(M, 1, 65536) || !isInt(K, 1, 65536)) badModel('latents or hyper is wrong');
  const shifts = get(desc, 'shifts');
  const ranges = get(desc, 'ranges');
  const networks = get(desc, 'networks');
  const passes = get(desc, 'passes');
  if (!isObject(shifts) || !isObject(ranges) || !isObject(networks) || !Array.isArray(passes)) badModel('the description is incomplete');
  for (const key of ['index', 'mean', 'step', 'hyper']) if (!isInt(get(shifts, key), 1, 24)) badModel(`shift ${key} is wrong`);
  const latent = checkRange(get(ranges, 'latent'), 'ranges.latent');
  const hyper = checkRange(get(ranges, 'hyper'), 'ranges.hyper');
  const held = new Uint8Array(2 * M);
  for (const pass of passes) {
    if (!Array.isArray(pass) || pass.length !== 3 || !isInt(pass[0], 0, 1) || !isInt(pass[1], 0, M - 1) || !isInt(pass[2], pass[1] + 1, M)) badModel('a pass is wrong');
    for (let c = pass[1]; c < pass[2]; c++) if (held[pass[0] * M + c]++) badModel('a channel is in two passes');
  }
  if (held.includes(0)) badModel('a channel is in no pass');

  const reach = tensor('reach', 'U8', [64]).values;
  let total = 0;
  for (let t = 1; t < 64; t++) { if (reach[t] > 127) badModel('a reach is above 127'); total += 2 * reach[t] + 2; }
  const frequency = every('frequency', tensor('frequency', 'I16', [total]).values, 1, 32767);
  const tables = { reach, frequency, base: new Int32Array(64), cum: new Int32Array(total + 63), first: new Uint16Array(64 * 256) };
  for (let t = 1, f = 0, p = 0; t < 64; t++) {
    tables.base[t] = p;
    let sum = 0;
    let slot = 0;
    for (let s = 0; s < 2 * reach[t] + 2; s++, p++) {
      tables.cum[p] = sum;
      sum += frequency[f++];
      for (; slot < 256 && slot * 128 < sum; slot++) tables.first[t * 256 + slot] = p;
    }
    tables.cum[p++] = sum;
    if (sum !== 32768) badModel(`the frequencies of table ${t} do not sum to 32768`);
  }
  const title = get(desc, 'name');
  const model = {
    profile, number, sha256: hash, name: typeof title === 'string' ? title : '', M, K, passes, latent, hyperRange: hyper, tables,
    SI: shifts.index, SM: shifts.mean, SS: shifts.step, SH: shifts.hyper,
    step: every('step', tensor('step', 'I16', [64, M]).values, 0, 16383),
    inverse: every('inverse', tensor('inverse', 'I16', [64, M]).values, 0, 32767),
    offset: tensor('offset', 'I16', [64, M]).values,
    hyperStep: every('hyper_step', tensor('hyper_step', 'I16', [64, K]).values, 0, 16383),
    hyperIndex: every('hyper_index', tensor('hyper_index', 'U8', [64, K]).values, 0, 63),
  };

  const build = (name, channels, X) => {
    const made = compile(name, get(networks, name), channels, X, tensor, model);
    if (!made.ops.length) badModel(`network ${name} has no operator`); // NETW-15
    return made;
  };
  model.hyper = build('hyper', K, magnitude(hyper));
  if (model.hyper.shuffles.length !== 1 || model.hyper.shuffles[0] !== 4 || model.hyper.depthwise) badModel('network hyper is wrong');
  model.features = model.hyper.channels;
  model.featuresX = model.hyper.X;
  model.context = passes.map((pass, k) => {
    const net = build(`context.${k}`, M, magnitude(latent));
    if (net.shuffles.length || net.channels !== 2 * (pass[2] - pass[1])) badModel(`network context.${k} is wrong`);
    return net;
  });
  model.synthesis = build('synthesis', M, magnitude(latent));
  const { shuffles, ops, channels } = model.synthesis;
  const last = ops[ops.length - 2];
  if (shuffles.length !== 2 || shuffles[0] * shuffles[1] !== 16 || channels !== 3 || ops[ops.length - 1].op !== 'shuffle' ||
    !last || last.lo !== 0 || last.hi !== 255) badModel('network synthesis is wrong');
  return model;
}

/** The restoration model of a description (section 10.5). */
function restorationModel(desc, tensor, number, hash) {
  const M = get(desc, 'latents');
  const V = get(desc, 'vector');
  const base = get(desc, 'base');
  const ranges = get(desc, 'ranges');
  const networks = get(desc, 'networks');
  if (!isInt(M, 1, 65536) || !isInt(V, 1, 64)) badModel('latents or vector is wrong');
  if (!isObject(base) || !isInt(get(base, 'model'), 0, 4294967295) || typeof get(base, 'sha256') !== 'string' ||
    !/^[0-9a-f]{64}$/.test(base.sha256)) badModel('base is wrong');
  if (!isObject(ranges) || !isObject(networks)) badModel('the description is incomplete');
  const latent = checkRange(get(ranges, 'latent'), 'ranges.latent');
  const model = { profile: 2, number, sha256: hash, name: String(get(desc, 'name')), M, V, latent, base };
  const build = (name, list, channels, X) => compile(name, list, channels, X, tensor, model);
  const list = get(networks, 'derive');
  if (!Array.isArray(list)) badModel('no network derive');
  const pools = list.map((o) => isObject(o) && get(o, 'op') === 'pool');
  const at = pools.indexOf(true);
  if (at < 0 || pools.lastIndexOf(true) !== at) badModel('network derive wants one pool');
  model.derive = build('derive', list.slice(0, at), M, magnitude(latent));
  model.derived = build('derived', list.slice(at + 1), model.derive.channels, model.derive.X);
  const end = model.derived.ops[model.derived.ops.length - 1];
  if (model.derived.channels !== V || !end || end.op === 'push' || end.lo < -128 || end.hi > 127) badModel('network derive is wrong');
  model.condition = build('condition', get(networks, 'condition'), V, 128);
  model.features = model.condition.channels;
  model.featuresX = model.condition.X;
  model.restore = build('restore', get(networks, 'restore'), M, magnitude(latent));
  const { shuffles, ops, channels, lastDepthwise } = model.restore;
  const last = ops.filter((o) => CLAMPED.includes(o.op)).pop();
  if (shuffles.length !== 2 || shuffles[0] * shuffles[1] !== 16 || channels !== 3 || !last || last.lo !== 0 || last.hi !== 255 ||
    lastDepthwise > ops.map((o) => o.op).lastIndexOf('shuffle')) badModel('network restore is wrong');
  return model;
}

const CLAMPED = ['pointwise', 'depthwise', 'quality', 'add', 'modulate'];
// What may not stand in a network of Profile 2, behind `hyper`, which stands in contexts only.
const BARRED = { derive: ['shuffle'], derived: ['shuffle', 'depthwise'], condition: ['shuffle', 'depthwise'] };

/** Checks a network (section 10.4), with its tensors. */
function compile(name, list, channels, X, tensor, model) {
  if (!Array.isArray(list)) badModel(`no network ${name}`);
  const context = name.startsWith('context.');
  const net = { ops: [], bare: false, channels: 0, X: 0, shuffles: [], depthwise: 0, margin: 0, lastDepthwise: -1 };
  const stack = [];
  let scale = 1;
  let C = channels;
  list.forEach((o, index) => {
    if (!isObject(o)) badModel(`an operator of ${name} is no object`);
    const op = get(o, 'op');
    const prefix = get(o, 'name');
    const clamped = CLAMPED.includes(op);
    if (BARRED[name]?.includes(op)) badModel(`${op} in network ${name}`);
    const [lo, hi] = clamped ? checkRange(get(o, 'clamp'), 'clamp') : [0, 0];
    if (clamped && op !== 'add' && typeof prefix !== 'string') badModel(`an operator of ${name} has no name`);
    const made = { op, lo, hi, cin: C, cout: C };
    if (op === 'pointwise' || op === 'depthwise') {
      const dw = op === 'depthwise';
      const weight = dw ? tensor(`${prefix}.weight`, 'I16', [C, 9]) : tensor(`${prefix}.weight`, 'I16', [-1, C]);
      const out = weight.shape[0];
      const taps = dw ? 9 : C;
      const bias = tensor(`${prefix}.bias`, 'I32', [out]).values;
      const shift = tensor(`${prefix}.shift`, 'U8', [out]).values;
      for (let c = 0; c < out; c++) {
        if (shift[c] < 1 || shift[c] > 24) badModel(`a shift of ${prefix} is not 1 to 24`);
        let sum = 0;
        for (let i = 0; i < taps; i++) sum += Math.abs(weight.values[c * taps + i]);
        if (sum * X + Math.abs(bias[c]) + 2 ** (shift[c] - 1) >= 2 ** 24) badModel(`${prefix} breaks NETW-12`);
      }
      made.tensors = { weight: weight.values, bias, shift };
      made.cout = out;
      if (dw) {
        net.depthwise++;
        net.margin += 1 / scale;
        net.lastDepthwise = index;
      }
      X = magnitude([lo, hi]);
    } else if (op === 'quality') {
      made.table = tensor(`${prefix}.table`, 'I16', [64, C]).values;
      X = magnitude([lo, hi]);
    } else if (op === 'modulate' && name === 'restore') {
      const layer = (part) => {
        const row = { op: 'pointwise', name: `${prefix}.${part}`, clamp: get(o, part) };
        const made = compile(part, [row], model.features, model.featuresX, tensor, model);
        if (made.channels !== C) badModel(`${prefix}.${part} does not fit`);
        return made;
      };
      made.gain = layer('gain');
      made.offset = layer('offset');
      made.shift = every(`${prefix}.shift`, tensor(`${prefix}.shift`, 'U8', [C]).values, 1, 24);
      for (const v of made.shift) if (X * made.gain.X + 2 ** (v - 1) >= 2 ** 24) badModel(`${prefix} breaks RMOD-11`);
      X = magnitude([lo, hi]);
    } else if (op === 'shuffle') {
      const f = get(o, 'factor');
      if (!isInt(f, 1, 16) || C % (f * f)) badModel(`a shuffle of ${name} does not fit`);
      made.factor = f;
      made.cout = C / (f * f);
      scale *= f;
      net.shuffles.push(f);
    } else if (op === 'push') {
      stack.push([C, scale]);
    } else if (op === 'add') {
      const z = stack.pop();
      if (!z || z[0] !== C || z[1] !== scale) badModel(`an add of ${name} does not fit`);
      X = magnitude([lo, hi]);
    } else if (op === 'hyper') {
      if (!context) badModel(`hyper in network ${name}`);
      if (index === 0) { made.cin = C = 0; X = 0; net.bare = true; }
      made.cout = C + model.features;
      X = Math.max(X, model.featuresX);
    } else badModel(`unknown operator in ${name}`);
    C = made.cout;
    net.ops.push(made);
  });
  if (stack.length) badModel(`a push of ${name} is left`);
  net.channels = C;
  net.X = X;
  net.margin = Math.ceil(net.margin);
  return net;
}

// ---------------------------------------------------------------- integer networks

const pool = [];
function take(length) {
  let best = -1;
  for (let i = 0; i < pool.length; i++) if (pool[i].length >= length && (best < 0 || pool[i].length < pool[best].length)) best = i;
  if (best >= 0 && pool[best].length <= 4 * length + 4096) return pool.splice(best, 1)[0];
  return new Float64Array(length);
}
function give(buffer) {
  pool.push(buffer);
  if (pool.length > 12) pool.shift();
}

/** Biases of a layer with what rounds. */
const startOf = ({ bias, shift }) => Float64Array.from(bias, (b, c) => b + 2 ** (shift[c] - 1));

/** Two outputs share a double: sums are below 2^24 (NETW-12), so that low + high * 2^25 is exact. */
function layPointwise({ cin, cout, tensors }) {
  // Blocks of eight outputs: weight[block][input][4 pairs].
  const blocks = Math.ceil(cout / 8);
  const weight = new Float64Array(blocks * cin * 4);
  const start = new Float64Array(blocks * 4);
  startOf(tensors).forEach((own, c) => {
    const unit = c & 1 ? 33554432 : 1;
    const pair = (c >> 1) & 3;
    start[(c >> 3) * 4 + pair] += own * unit;
    for (let i = 0; i < cin; i++) weight[((c >> 3) * cin + i) * 4 + pair] += tensors.weight[c * cin + i] * unit;
  });
  return { weight, start, shift: tensors.shift, blocks };
}

const layDepthwise = ({ tensors }) => ({ weight: Float64Array.from(tensors.weight), start: startOf(tensors), shift: tensors.shift });

const laid = new WeakMap();
/** What `lay` makes of a layer's tensors for the functions below, once. */
function layout(op, lay) {
  if (!laid.has(op.tensors)) laid.set(op.tensors, lay(op));
  return laid.get(op.tensors);
}

const spare = new Float64Array(16);
function pointwise(x, n, op, y) {
  const { cin, cout, lo, hi } = op;
  const { weight, start, shift, blocks } = layout(op, layPointwise);
  const H = 33554432;
  const Q = 1 / 33554432;
  for (let b = 0; b < blocks; b++) {
    const o = b * 8;
    const w0 = b * cin * 4;
    const w1 = w0 + cin * 4;
    const s0 = start[b * 4];
    const s1 = start[b * 4 + 1];
    const s2 = start[b * 4 + 2];
    const s3 = start[b * 4 + 3];
    const whole = o + 8 <= cout;
    for (let s = 0; s < n; s += 2) {
      let p = s * cin;
      let r = s + 1 < n ? p + cin : p;
      let a0 = s0; let a1 = s1; let a2 = s2; let a3 = s3;
      let b0 = s0; let b1 = s1; let b2 = s2; let b3 = s3;
      for (let w = w0; w < w1; w += 4) {
        const u = x[p++];
        const v = x[r++];
        const k0 = weight[w];
        const k1 = weight[w + 1];
        const k2 = weight[w + 2];
        const k3 = weight[w + 3];
        a0 += k0 * u; b0 += k0 * v;
        a1 += k1 * u; b1 += k1 * v;
        a2 += k2 * u; b2 += k2 * v;
        a3 += k3 * u; b3 += k3 * v;
      }
      let h = Math.floor(a0 * Q + 0.5); spare[0] = a0 - h * H; spare[1] = h;
      h = Math.floor(a1 * Q + 0.5); spare[2] = a1 - h * H; spare[3] = h;
      h = Math.floor(a2 * Q + 0.5); spare[4] = a2 - h * H; spare[5] = h;
      h = Math.floor(a3 * Q + 0.5); spare[6] = a3 - h * H; spare[7] = h;
      h = Math.floor(b0 * Q + 0.5); spare[8] = b0 - h * H; spare[9] = h;
      h = Math.floor(b1 * Q + 0.5); spare[10] = b1 - h * H; spare[11] = h;
      h = Math.floor(b2 * Q + 0.5); spare[12] = b2 - h * H; spare[13] = h;
      h = Math.floor(b3 * Q + 0.5); spare[14] = b3 - h * H; spare[15] = h;
      const m = whole ? 8 : cout - o;
      const q0 = s * cout + o;
      const q1 = s + 1 < n ? q0 + cout : q0;
      for (let i = 0; i < m; i++) {
        const sh = shift[o + i];
        const e = (spare[i] | 0) >> sh;
        const f = (spare[i + 8] | 0) >> sh;
        y[q0 + i] = e < lo ? lo : e > hi ? hi : e;
        y[q1 + i] = f < lo ? lo : f > hi ? hi : f;
      }
    }
  }
}

/** One site of `depthwise`; a function of its own, in which V8 finds enough registers. */
function nineTaps(x, p0, p1, p2, p3, p4, p5, p6, p7, p8, weight, start, shift, C, lo, hi, y, q) {
  for (let c = 0, w = 0; c < C; c++, w += 9) {
    const acc = start[c] + weight[w] * x[p0 + c] + weight[w + 1] * x[p1 + c] + weight[w + 2] * x[p2 + c] +
      weight[w + 3] * x[p3 + c] + weight[w + 4] * x[p4 + c] + weight[w + 5] * x[p5 + c] +
      weight[w + 6] * x[p6 + c] + weight[w + 7] * x[p7 + c] + weight[w + 8] * x[p8 + c];
    const v = (acc | 0) >> shift[c];
    y[q + c] = v < lo ? lo : v > hi ? hi : v;
  }
}

/** Row `n` of x, behind the last site, must be zero. */
function depthwise(x, cells, f, nb, op, y) {
  const { cin: C, lo, hi } = op;
  const { weight, start, shift } = layout(op, layDepthwise);
  const ff = f * f;
  const none = cells * ff * C;
  const tapCell = new Int32Array(ff * 9);
  const tapSite = new Int32Array(ff * 9);
  for (let i = 0; i < ff * 9; i++) {
    const ty = Math.floor(i / 9 / f) + Math.floor((i % 9) / 3) - 1;
    const tx = (Math.floor(i / 9) % f) + (i % 3) - 1;
    const cy = Math.floor(ty / f);
    const cx = Math.floor(tx / f);
    tapCell[i] = 3 * (cy + 1) + cx + 1;
    tapSite[i] = (ty - cy * f) * f + tx - cx * f;
  }
  const at = new Int32Array(9);
  for (let cell = 0, q = 0; cell < cells; cell++) {
    for (let i = 0; i < ff * 9; q += C) {
      for (let j = 0; j < 9; j++, i++) {
        const other = nb[cell * 9 + tapCell[i]];
        at[j] = other < 0 ? none : (other * ff + tapSite[i]) * C;
      }
      nineTaps(x, at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], at[8], weight, start, shift, C, lo, hi, y, q);
    }
  }
}

/** Channels of what goes into a network. */
export const inputOf = (net) => (net.bare ? 0 : net.ops.length ? net.ops[0].cin : net.channels);

/**
 * Runs a network at `n` parents (cells, or blocks) of one group of quality q.
 * Finer sites of a parent stand together, row by row, so that `shuffle` moves nothing.
 * values: [n][channels]. nb: nine neighbours of each cell, or -1.
 * features: [n][F]. keep: the parents to go on with behind the last depthwise.
 * Returns the output, for the parents in `keep` if there is one; it is to be given back.
 */
function runNetwork(net, values, n, q, nb, features, F, keep) {
  let C = inputOf(net);
  let x = take((n + 1) * C);
  for (let i = 0; i < n * C; i++) x[i] = values[i];
  let f = 1;
  let parents = n;
  let select = null;
  const stack = [];
  const narrow = (v, width) => {
    const y = take((keep.length + 1) * width);
    for (let i = 0; i < keep.length; i++) {
      const from = keep[i] * width;
      for (let j = 0, to = i * width; j < width; j++) y[to + j] = v[from + j];
    }
    give(v);
    return y;
  };
  const doNarrow = () => {
    x = narrow(x, C * f * f);
    for (const e of stack) e[0] = narrow(e[0], e[1]);
    parents = keep.length;
    select = keep;
  };
  if (keep && net.lastDepthwise < 0) doNarrow();
  net.ops.forEach((op, index) => {
    const sites = parents * f * f;
    switch (op.op) {
      case 'pointwise': {
        const y = take((sites + 1) * op.cout);
        pointwise(x, sites, op, y);
        give(x);
        x = y;
        break;
      }
      case 'depthwise': {
        x.fill(0, sites * C, (sites + 1) * C);
        const y = take((sites + 1) * C);
        depthwise(x, parents, f, nb, op, y);
        give(x);
        x = y;
        break;
      }
      case 'quality': {
        const { table, lo, hi } = op;
        const row = q * C;
        for (let s = 0, p = 0; s < sites; s++) {
          for (let c = 0; c < C; c++, p++) {
            const v = x[p] + table[row + c];
            x[p] = v < lo ? lo : v > hi ? hi : v;
          }
        }
        break;
      }
      case 'modulate': {
        const { g, o, shift, lo, hi } = op;
        for (let s = 0, p = 0; s < sites; s++) {
          for (let c = 0; c < C; c++, p++) {
            const v = ((x[p] * g[c] + (1 << (shift[c] - 1))) >> shift[c]) + o[c];
            x[p] = v < lo ? lo : v > hi ? hi : v;
          }
        }
        break;
      }
      case 'shuffle':
        f *= op.factor;
        break;
      case 'push': {
        const y = take((sites + 1) * C);
        for (let i = 0; i < sites * C; i++) y[i] = x[i];
        stack.push([y, C * f * f]);
        break;
      }
      case 'add': {
        const [z] = stack.pop();
        const { lo, hi } = op;
        for (let i = 0; i < sites * C; i++) {
          const v = x[i] + z[i];
          x[i] = v < lo ? lo : v > hi ? hi : v;
        }
        give(z);
        break;
      }
      default: { // hyper
        const y = take((sites + 1) * (C + F));
        for (let s = 0, p = 0, to = 0; s < sites; s++) {
          for (let c = 0; c < C; c++) y[to++] = x[p++];
          const from = (select ? select[s] : s) * F;
          for (let c = 0; c < F; c++) y[to++] = features[from + c];
        }
        give(x);
        x = y;
      }
    }
    C = op.cout;
    if (keep && index === net.lastDepthwise) doNarrow();
  });
  return x;
}

// ---------------------------------------------------------------- latents (section 8)

/** Scale indices t and means of the cells of a pass, of the output y of its network. */
function parameters(model, q, pass, y, t, mean) {
  const { M, SI, SM, inverse, offset } = model;
  const [, first, past] = model.passes[pass];
  const width = past - first;
  for (let at = 0, p = 0; at < t.length; p += width) {
    for (let k = q * M + first; k < q * M + past; k++, at++, p++) {
      const a = (y[p] + offset[k] + (1 << (SI - 1))) >> SI;
      t[at] = a < 0 ? 0 : a > 63 ? 63 : a;
      mean[at] = (y[p + width] * inverse[k] + (1 << (SM - 1))) >> SM;
    }
  }
}

/** Puts the latents of a pass into d, for the cells `chosen`, of their residuals and means. */
function dequantise(model, q, pass, r, mean, chosen, d) {
  const { M, SS, step, latent: [lo, hi] } = model;
  const [, first, past] = model.passes[pass];
  let at = 0;
  for (const i of chosen) {
    for (let c = first; c < past; c++, at++) {
      let v = r[at] * 16 + mean[at];
      v = v < -65536 ? -65536 : v > 65535 ? 65535 : v;
      v = (v * step[q * M + c] + (1 << (SS - 1))) >> SS;
      d[i * M + c] = v < lo ? lo : v > hi ? hi : v;
    }
  }
}

// ---------------------------------------------------------------- engines

/**
 * What computes: networks, symbols and label maps, here in plain JavaScript. `bands` are the cells that go through
 * the contexts and the synthesis at a time.
 */
export const PLAIN = {
  name: 'JavaScript',
  bands: { context: 2048, synthesis: 1024 },
  run: runNetwork,
  give,
  reader: (data, at, end) => new Rans(data, at, end),
  decodeMap,
  parameters,
  dequantise,
};
let engine = PLAIN;

/** Puts in another engine, that of core.js or PLAIN again; returns the one until now. */
export function useEngine(other) {
  const before = engine;
  engine = other;
  return before;
}

// ---------------------------------------------------------------- DEFLATE (RFC 1951, section 14.5)

const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LENGTHS = { base: [], extra: [] };
const DISTANCES = { base: [], extra: [] };
for (let i = 0, length = 3, distance = 1; i < 30; i++) {
  DISTANCES.base.push(distance);
  DISTANCES.extra.push(i < 2 ? 0 : (i >> 1) - 1);
  distance += 2 ** DISTANCES.extra[i];
  if (i > 28) break;
  LENGTHS.base.push(i === 28 ? 258 : length);
  LENGTHS.extra.push(i < 4 || i === 28 ? 0 : (i >> 2) - 1);
  length += 2 ** LENGTHS.extra[i];
}

/** Codes by their lengths: how many there are of each, and their symbols in order; null if DEFL-02 forbids them. */
function codesOf(lengths, complete) {
  const count = new Int32Array(16);
  for (const n of lengths) count[n]++;
  let left = 1;
  for (let n = 1; n < 16; n++) {
    left = 2 * left - count[n];
    if (left < 0) return null;
  }
  const used = lengths.length - count[0];
  if (left > 0 && (complete || used > 1 || used !== count[1])) return null;
  const next = new Int32Array(16);
  for (let n = 1; n < 15; n++) next[n + 1] = next[n] + count[n];
  const symbols = new Int32Array(used);
  lengths.forEach((n, symbol) => { if (n) symbols[next[n]++] = symbol; });
  return { count, symbols };
}

/** Inflates data[at .. end - 1], which must be one stream that gives `size` bytes (DEFL-01 to DEFL-03). */
function inflate(data, at, end, size, name) {
  const from = at;
  const bad = (message) => fail('E_DEFLATE', message, from, name);
  const out = new Uint8Array(size);
  let put = 0;
  let held = 0;
  let have = 0;
  const bits = (n) => {
    while (have < n) {
      if (at >= end) bad('ends within its stream of DEFLATE');
      held |= data[at++] << have;
      have += 8;
    }
    const v = held & ((1 << n) - 1);
    held >>>= n;
    have -= n;
    return v;
  };
  const symbol = ({ count, symbols }) => {
    for (let n = 1, code = 0, first = 0, index = 0; n < 16; n++) {
      code |= bits(1);
      if (code - first < count[n]) return symbols[index + code - first];
      index += count[n];
      first = (first + count[n]) << 1;
      code <<= 1;
    }
    return bad('a code that no symbol has');
  };
  const room = (n) => { if (n > size - put) bad(`inflates to more than ${size} bytes`); };
  const lengthsOf = () => {
    const literals = bits(5) + 257;
    const distances = bits(5) + 1;
    const own = new Array(19).fill(0);
    for (let i = bits(4) + 4, k = 0; k < i; k++) own[ORDER[k]] = bits(3);
    const codes = codesOf(own, true);
    if (literals > 286 || distances > 30 || !codes) bad('codes that cannot be');
    const lengths = [];
    while (lengths.length < literals + distances) {
      const s = symbol(codes);
      if (s < 16) { lengths.push(s); continue; }
      if (s === 16 && !lengths.length) bad('repeats a length before the first');
      const value = s === 16 ? lengths[lengths.length - 1] : 0;
      for (let n = s === 16 ? 3 + bits(2) : s === 17 ? 3 + bits(3) : 11 + bits(7); n > 0; n--) lengths.push(value);
    }
    if (lengths.length > literals + distances || !lengths[256]) bad('codes that cannot be');
    return [codesOf(lengths.slice(0, literals), false), codesOf(lengths.slice(literals), false)];
  };
  const coded = (literals, distances) => {
    if (!literals || !distances) bad('codes that cannot be');
    for (;;) {
      const s = symbol(literals);
      if (s === 256) return;
      if (s < 256) { room(1); out[put++] = s; continue; }
      if (s > 285) bad('a length that there is not');
      let n = LENGTHS.base[s - 257] + bits(LENGTHS.extra[s - 257]);
      const t = symbol(distances);
      if (t > 29) bad('a distance that there is not');
      const back = DISTANCES.base[t] + bits(DISTANCES.extra[t]);
      if (back > put) bad('a distance to before the first byte');
      room(n);
      for (; n > 0; n--, put++) out[put] = out[put - back];
    }
  };
  for (let last = 0; !last;) {
    last = bits(1);
    const type = bits(2);
    if (type === 0) {
      held = 0;
      have = 0;
      if (end - at < 4) bad('ends within its stream of DEFLATE');
      const n = data[at] | (data[at + 1] << 8);
      if ((n ^ 0xFFFF) !== (data[at + 2] | (data[at + 3] << 8))) bad('a length and its complement disagree');
      at += 4;
      if (end - at < n) bad('ends within its stream of DEFLATE');
      room(n);
      out.set(data.subarray(at, at + n), put);
      put += n;
      at += n;
    } else if (type === 1) {
      const lengths = Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8));
      coded(codesOf(lengths, true), codesOf(new Array(32).fill(5), true));
    } else if (type === 2) coded(...lengthsOf());
    else bad('a block of an unknown type');
  }
  if (at !== end) bad('bytes behind its stream of DEFLATE');
  if (put !== size) bad(`inflates to ${put} bytes, not ${size}`);
  return out;
}

// ---------------------------------------------------------------- container (sections 4 to 8, 13)

const NAMES = { 0x81: 'OBJS', 0x82: 'PROV', 0x83: 'EXIF', 0x84: 'XMPP', 0x85: 'REST', 0xC1: 'ICCP', 0xC2: 'COLR' };
const ONCE = [0x81, 0x83, 0x84, 0x85, 0xC1, 0xC2]; // CHNK-08
const LEVELS = ['L1', 'L2', 'L3', 'other'];
const MAGIC = [0xD3, 0x53, 0x44, 0x43];

/** Reads the chunk at `at`: `kind` is ok, cut, varint or crc. */
function readChunk(d, at) {
  if (at >= d.length) return { kind: 'cut', type: -1, at, end: at };
  const type = d[at];
  const [length, payload] = readVarint(d, at + 1, d.length);
  if (length === CUT) return { kind: 'cut', type, at, end: d.length };
  if (length === BAD) return { kind: 'varint', type, at, end: at };
  const tail = payload + length;
  const end = tail + 4;
  if (end > d.length) return { kind: 'cut', type, at, end: d.length };
  const right = (~crcUpdate(-1, d, at, tail) >>> 0) === u32(d, tail);
  return { kind: right ? 'ok' : 'crc', type, at, payload, tail, end };
}

/** Bytes from the start of a stream to the end of its header, from its first bytes; null where they say nothing of it. */
export function headerEnd(d) {
  const [length, begin] = readVarint(d, MAGIC.length, d.length);
  return length < 0 || MAGIC.some((byte, i) => d[i] !== byte) ? null : begin + length + 4;
}

export const DEFAULT_LIMITS = { maxPixels: 2 ** 26 };

/**
 * Reads the structure of a stream: the header with the group map, the states of the groups and all chunks.
 * Never throws for a bad stream: `error` is the error that ended the reading, `errors` all errors.
 * options: maxPixels; metadata: read COLR, ICCP, EXIF, XMPP, OBJS and REST as well; restoration: read REST. `colour` is [primaries, transfer] of COLR;
 * `iccp`, where COLR does not hold, `exif` and `xmp` are what these chunks inflate to.
 * have(from, past): whether these bytes are in `file` already, for those who fetch ranges; the header must be (`headerEnd`).
 * A group that is not, is unread, and chunks on either side of the groups are left unread with it (STAT-11).
 */
export function parse(file, options = {}) {
  const maxPixels = options.maxPixels ?? DEFAULT_LIMITS.maxPixels;
  const s = {
    file, bytes: file.length, state: 'valid', error: null, errors: [], width: null, height: null, features: null, version: null,
    model: null, weights: null, rows: 0, cols: 0, place: null, start: null, coded: null, groups: [], map: null, cellsOf: null, position: null,
    chunks: [], objects: null, colour: null, iccp: null, exif: null, xmp: null, restoration: null,
  };
  try {
    readStream(file, s, maxPixels, options.metadata === true, options.restoration === true, options.have ?? (() => true));
  } catch (e) {
    if (!(e instanceof SdcError)) throw e;
    s.error = e;
    s.errors.push(e);
  }
  s.state = s.error ? s.error.cls : s.errors.length ? 'partial' : 'valid';
  return s;
}

function readStream(d, s, maxPixels, metadata, restoration, have) {
  let agree = 0;
  while (agree < 4 && agree < d.length && d[agree] === MAGIC[agree]) agree++;
  if (agree < 4) {
    if (agree > 0 && agree === d.length) fail('E_TRUNCATED', 'the file ends within the magic number', d.length, 'magic');
    fail('E_MAGIC', 'not an SDC stream', 0, 'magic');
  }
  const note = (code, message, offset, where) => s.errors.push(new SdcError(code, message, offset, where));

  // Header (section 5)
  const [length, begin] = readVarint(d, 4, d.length);
  if (length === BAD) fail('E_VARINT', 'the length is not a varint', 4, 'length');
  const tail = begin + length;
  if (length === CUT || tail + 4 > d.length) fail('E_TRUNCATED', 'the file ends within the header', d.length, 'header');
  if ((~crcUpdate(-1, d, 4, tail) >>> 0) !== u32(d, tail)) fail('E_HEAD_CRC', 'the CRC-32 of the header is wrong', tail, 'crc');
  const r = new Fields(d, begin, tail, 'HEAD');
  const width = r.varint('width');
  if (width < 1 || width > 65536) fail('E_HEAD_SIZE', `width ${width}`, begin, 'HEAD.width');
  let from = r.at;
  const height = r.varint('height');
  if (height < 1 || height > 65536 || width * height > 2 ** 30) fail('E_HEAD_SIZE', `height ${height}`, from, 'HEAD.height');
  Object.assign(s, { width, height, rows: (height + 15) >> 4, cols: (width + 15) >> 4 });
  from = r.at;
  s.features = r.varint('features');
  if (s.features !== 0) fail('E_FEATURE', 'an unknown required feature', from, 'HEAD.features');
  s.model = r.varint('model');
  s.weights = Array.from(r.bytes(4, 'weights'), (b) => b.toString(16).padStart(2, '0')).join('');
  s.version = r.u8('version');
  s.start = d.subarray(begin, r.at);
  if (width * height > maxPixels) fail('E_LIMIT', `${width} x ${height} pixels are more than this reader's limit of ${maxPixels}`, begin, 'HEAD');
  const { rows, cols } = s;

  // Groups (section 6)
  from = r.at;
  const count = r.u8('count');
  if (count < 1 || count > rows * cols) fail('E_GRPS_COUNT', `${count} groups in ${rows * cols} cells`, from, 'HEAD.count');
  const place = tail + 4 + r.varint('preamble');
  s.place = place;
  let offset = place;
  for (let k = 0; k < count; k++) {
    const lq = r.u8(`groups[${k}].level_quality`);
    if (k > 0 && lq >> 6 < s.groups[k - 1].levelNumber) fail('E_GRPS_ORDER', 'levels decrease', r.at - 1, `HEAD.groups[${k}].level_quality`);
    const size = r.varint(`groups[${k}].size`);
    if (size > 0 && size < 4) fail('E_GRPS_SIZE', `size ${size}`, r.at - 1, `HEAD.groups[${k}].size`);
    s.groups.push({
      index: k, levelNumber: lq >> 6, level: LEVELS[lq >> 6], quality: lq & 63, levelQuality: lq, size, offset,
      cells: null, area: null, state: size === 0 ? 'withdrawn' : 'unread', payload: 0, tail: 0,
    });
    offset += size;
  }

  // Group map (section 7)
  const coded = r.at;
  s.coded = d.subarray(coded, tail);
  const n = rows * cols;
  s.map = engine.decodeMap(d, coded, tail, rows, cols, count);
  const totals = new Int32Array(count + 1);
  for (let i = 0; i < n; i++) totals[s.map[i]]++;
  for (let k = 0; k < count; k++) if (totals[k + 1] === 0) fail('E_MASK_EMPTY_GROUP', `group ${k} has no cell`, coded, 'HEAD.map');
  s.cellsOf = s.groups.map((g) => new Int32Array(totals[g.index + 1]));
  s.position = new Int32Array(n);
  const fill = new Int32Array(count + 1);
  for (const g of s.groups) { g.cells = totals[g.index + 1]; g.area = 0; }
  for (let i = 0, row = 0; row < rows; row++) {
    const h = Math.min(16, height - row * 16);
    for (let col = 0; col < cols; col++, i++) {
      const l = s.map[i];
      s.position[i] = fill[l]++;
      if (l === 0) continue;
      s.cellsOf[l - 1][s.position[i]] = i;
      s.groups[l - 1].area += h * Math.min(16, width - col * 16);
    }
  }

  // Chunks in front of the groups, the groups, chunks behind them (sections 4.2, 8 and 13.3)
  const found = new Map();
  const readChunks = (at, past) => {
    while (at < past) {
      const c = readChunk(d, at);
      if (c.type >= 0) {
        s.chunks.push({
          type: NAMES[c.type] ?? null, code: c.type, offset: c.at, bytes: c.end - c.at, payload: c.payload, tail: c.tail,
          state: c.kind === 'ok' ? 'complete' : c.kind === 'cut' ? 'truncated' : 'damaged',
        });
      }
      if (c.kind !== 'ok') {
        note('E_CHUNK_DAMAGED', c.kind === 'cut' ? 'a chunk is cut off' : 'a chunk is damaged', at, `chunk 0x${c.type < 0 ? '' : c.type.toString(16)}`);
        return;
      }
      if (c.end > past) fail('E_GRPS_PREAMBLE', 'a chunk reaches behind the preamble', at, 'HEAD.preamble');
      if (ONCE.includes(c.type) && found.has(c.type)) fail('E_CHUNK_DUPLICATE', `a second ${NAMES[c.type]}`, at, NAMES[c.type]);
      if (c.type < 128) fail('E_CHUNK_CRITICAL', `unknown critical chunk of type 0x${c.type.toString(16)}`, at);
      if (!found.has(c.type)) found.set(c.type, c);
      at = c.end;
    }
  };
  if (have(tail + 4, Math.min(place, d.length))) readChunks(tail + 4, place);
  const seed = crcUpdate(crcUpdate(-1, s.start, 0, s.start.length), s.coded, 0, s.coded.length); // LATN-04
  for (const g of s.groups) {
    if (g.size === 0) continue;
    const end = g.offset + g.size;
    const where = `group ${g.index}`;
    if (end > d.length) {
      g.state = 'truncated';
      note('E_GROUP_TRUNCATED', `group ${g.index} is cut off`, g.offset, where);
      continue;
    }
    if (!have(g.offset, end)) continue;
    const c = crcUpdate(crcUpdate(seed, [g.index, g.levelQuality], 0, 2), d, g.offset, end - 4);
    if ((~c >>> 0) !== u32(d, end - 4)) {
      g.state = 'damaged';
      note('E_GROUP_DAMAGED', `the CRC-32 of group ${g.index} is wrong`, g.offset, where);
      continue;
    }
    g.state = 'complete';
    g.payload = g.offset;
    g.tail = end - 4;
  }
  if (have(Math.min(offset, d.length), d.length)) readChunks(offset, d.length);

  if (metadata) {
    const colr = found.get(0xC2);
    if (colr) {
      const f = new Fields(d, colr.payload, colr.tail, 'COLR');
      s.colour = [f.u8('primaries'), f.u8('transfer')];
      f.done();
    }
    const [iccp, exif, xmp] = [[0xC1, 128], [0x83, 8], [0x84, 1]].map(([type, least]) => readDeflated(d, found.get(type), least));
    const left = !colr || (s.colour[0] === 2 && s.colour[1] === 2); // COLR-04
    Object.assign(s, { iccp: left ? iccp : null, exif, xmp });
    const objs = found.get(0x81);
    s.objects = objs ? readObjects(d, objs, s) : [];
  }
  const rest = found.get(0x85);
  if (rest && (metadata || restoration)) s.restoration = readRestoration(d, rest, s);
}

/** What the chunk of a type inflates to (section 14.5); null without one. */
function readDeflated(d, chunk, least) {
  if (!chunk) return null;
  const name = NAMES[chunk.type];
  const f = new Fields(d, chunk.payload, chunk.tail, name);
  const size = f.varint('size');
  if (size < least || size > 1048576) fail('E_DEFLATE', `${size} bytes`, chunk.payload, `${name}.size`);
  return inflate(d, f.at, chunk.tail, size, name);
}

/** Reads OBJS (section 14.2). */
function readObjects(d, chunk, s) {
  const r = new Fields(d, chunk.payload, chunk.tail, 'OBJS');
  const check = (ok, what, offset) => { if (!ok) fail('E_OBJS', `${what} is wrong`, offset, `OBJS.${what}`); };
  const number = (f, lo, hi) => {
    const offset = r.at;
    const v = r.varint(f);
    check(v >= lo && v <= hi, f, offset);
    return v;
  };
  const count = number('count', 1, 4095);
  const place = r.at;
  const layout = r.u8('layout');
  const unit = layout & 7;
  check(unit <= 4 && layout < 64, 'layout', place);
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const texts = (name, max) => {
    const from = r.at;
    const list = [];
    const n = number(`${name}_count`, 0, 4095);
    for (let i = 0; i < n; i++) {
      const length = number(`${name}s[${i}].length`, 1, max);
      const offset = r.at;
      const bytes = r.bytes(length, `${name}s[${i}].text`);
      try { list.push(utf8.decode(bytes)); } catch { check(false, `${name}s[${i}].text`, offset); }
    }
    check(new Set(list).size === list.length, `${name}s`, from);
    return { list, used: 0 };
  };
  const labels = texts('label', 255);
  const reasons = texts('reason', 4095);
  const length = r.varint('coded_length');
  const from = r.at;
  r.bytes(length, 'coded');
  /** Has a stream or a label map of OBJS decoded, whose errors are E_OBJS. */
  const within = (what, offset, decoded) => {
    try {
      return decoded();
    } catch (e) {
      if (!(e instanceof SdcError)) throw e;
      return fail('E_OBJS', `${what} is broken: ${e.message}`, offset, `OBJS.${what}`);
    }
  };
  const objects = within('coded', from, () => {
    const rans = new Rans(d, from, r.at);
    const found = decodeObjects(rans, s, { count, layout, unit, labels, reasons });
    rans.finish();
    return found;
  });
  check(labels.used === labels.list.length && reasons.used === reasons.list.length, 'coded', from);
  check(((layout >> 3) & 1) === (objects.some((o) => o.score !== 255) ? 1 : 0), 'layout', place);
  check(((layout >> 4) & 1) === (objects.some((o) => o.rank !== o.index) ? 1 : 0), 'layout', place);
  check(((layout >> 5) & 1) === (objects.some((o) => o.maskLength >= 0) ? 1 : 0), 'layout', place);
  const first = r.at;
  let total = 0;
  let pixels = 0;
  for (const o of objects) {
    if (o.maskLength < 0) continue;
    total += o.maskLength;
    pixels += o.width * o.height;
    check(o.width * o.height <= 2 ** 22 && pixels <= 4 * s.width * s.height, 'masks', first);
  }
  check(total === r.end - first, 'masks', first);
  let at = first;
  for (const o of objects) {
    o.mask = null;
    if (o.maskLength < 0) continue;
    const end = at + o.maskLength;
    o.maskAt = at;
    o.mask = within('masks', at, () => engine.decodeMap(d, at, end, o.height, o.width, 1));
    check(o.mask.includes(1), 'masks', at);
    at = end;
  }
  return objects;
}

function decodeObjects(rans, s, { count, layout, unit, labels, reasons }) {
  const pick = (texts) => {
    const v = rans.even(Math.min(texts.used + 1, texts.list.length) + 1);
    texts.used = Math.max(texts.used, v);
    return v > 0 ? texts.list[v - 1] : '';
  };
  const side = (size) => {
    const units = (size + (1 << unit) - 1) >> unit;
    const first = rans.number(units);
    const past = first + 1 + rans.number(units - first);
    const start = first << unit;
    return [start, Math.min(past << unit, size) - start];
  };
  const objects = [];
  for (let index = 0, before = 0; index < count; index++) {
    const group = rans.even(s.groups.length);
    const label = pick(labels);
    const reason = pick(reasons);
    const [x, width] = side(s.width);
    const [y, height] = side(s.height);
    const score = layout & 8 ? rans.raw(8) : 255; // in 1/255
    const rank = layout & 16 ? before + rans.even(4095 - before) : index;
    before = rank;
    const maskLength = layout & 32 && rans.raw(1) ? rans.number(65536) : -1;
    objects.push({ index, group, level: s.groups[group].level, label, reason, x, y, width, height, unit, score, rank, maskLength });
  }
  return objects;
}

/** REST (section 14.4): model, weights, vectors [[group, values]], degradations [[group, kind, strength]]. */
function readRestoration(d, chunk, s) {
  const r = new Fields(d, chunk.payload, chunk.tail, 'REST');
  const check = (ok, what) => { if (!ok) fail('E_REST', `${what} is wrong`, r.at - 1, `REST.${what}`); };
  const group = (what) => {
    const k = r.u8(what);
    check(k < s.groups.length || k === 255, what);
    return k;
  };
  const out = { offset: chunk.at, model: r.varint('model'), weights: '', vectors: [], degradations: [] };
  out.weights = Array.from(r.bytes(4, 'weights'), (b) => b.toString(16).padStart(2, '0')).join('');
  for (let n = r.u8('vector_count'), i = 0; i < n; i++) {
    const k = group(`vectors[${i}].group`);
    check(i === 0 || k > out.vectors[i - 1][0], `vectors[${i}].group`);
    const size = r.u8(`vectors[${i}].size`);
    check(size >= 1 && size <= 64 && (i === 0 || size === out.vectors[0][1].length), `vectors[${i}].size`);
    out.vectors.push([k, Array.from(r.bytes(size, `vectors[${i}].values`), (b) => (b << 24) >> 24)]);
  }
  for (let n = r.u8('degradation_count'), i = 0; i < n; i++) {
    const k = group(`degradations[${i}].group`);
    const kind = r.u8(`degradations[${i}].kind`);
    const [before, last] = i ? out.degradations[i - 1] : [-1, 0];
    check(kind > 0 && (k > before || (k === before && kind > last)), `degradations[${i}].kind`);
    out.degradations.push([k, kind, r.u8(`degradations[${i}].strength`)]);
  }
  r.done();
  return out;
}

// ---------------------------------------------------------------- groups (sections 11 and 12)

/** Splits the cells of a group into bands of rows: [first, past) with a margin around it, [from, to). */
function bandsOf(cells, cols, margin, target) {
  const starts = [];
  const rowsOf = [];
  for (let i = 0, last = -1; i < cells.length; i++) {
    const row = Math.floor(cells[i] / cols);
    if (row !== last) { starts.push(i); rowsOf.push(row); last = row; }
  }
  starts.push(cells.length);
  const bands = [];
  const R = rowsOf.length;
  for (let a = 0; a < R;) {
    let b = a + 1;
    while (b < R && (starts[b + 1] - starts[a] <= target || b - a < 4 * margin)) b++;
    let from = a;
    while (from > 0 && rowsOf[from - 1] >= rowsOf[a] - margin) from--;
    let to = b;
    while (to < R && rowsOf[to] <= rowsOf[b - 1] + margin) to++;
    bands.push({ first: starts[a], past: starts[b], from: starts[from], to: starts[to] });
    a = b;
  }
  return bands;
}

/** The nine neighbours of the cells from .. to - 1 of a group, as places from 0 among them, or -1. */
function neighboursOf(s, g, from, to) {
  const { map, position, rows, cols } = s;
  const cells = s.cellsOf[g.index];
  const label = g.index + 1;
  const nb = new Int32Array((to - from) * 9).fill(-1);
  for (let i = from, p = 0; i < to; i++, p += 9) {
    const row = Math.floor(cells[i] / cols);
    const col = cells[i] - row * cols;
    for (let dy = -1; dy <= 1; dy++) {
      if (row + dy < 0 || row + dy >= rows) continue;
      for (let dx = -1; dx <= 1; dx++) {
        if (col + dx < 0 || col + dx >= cols) continue;
        const other = cells[i] + dy * cols + dx;
        if (map[other] !== label) continue;
        const place = position[other] - from;
        if (place >= 0 && place < to - from) nb[p + 3 * (dy + 1) + dx + 1] = place;
      }
    }
  }
  return nb;
}

/**
 * Decodes the latents of a complete group: Int16Array [cells][M].
 * `onResiduals(r, count)` sees all residuals in the order of decode_group; r is used again.
 */
export function decodeLatents(s, g, model, onResiduals = null, source = null) {
  const { M, K, SH, tables, features: F } = model;
  const q = g.quality;
  const { cols } = s;
  const cells = s.cellsOf[g.index];
  const n = cells.length;
  const rans = source ?? engine.reader(s.file, g.payload, g.tail);

  // Hyper values, block by block
  const bcols = (cols + 3) >> 2;
  const blockOf = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    const row = Math.floor(cells[i] / cols);
    blockOf[i] = (row >> 2) * bcols + ((cells[i] - row * cols) >> 2);
  }
  const blocks = blockOf.slice().sort();
  let B = 0;
  for (let i = 0; i < n; i++) if (i === 0 || blocks[i] !== blocks[i - 1]) blocks[B++] = blocks[i];
  const h = new Int16Array(B * K);
  {
    const t = new Uint8Array(K);
    for (let k = 0; k < K; k++) t[k] = model.hyperIndex[q * K + k];
    const r = new Int32Array(K);
    const [lo, hi] = model.hyperRange;
    for (let b = 0; b < B; b++) {
      rans.residuals(tables, t, r, K);
      onResiduals?.(r, K);
      for (let k = 0; k < K; k++) {
        const v = (r[k] * model.hyperStep[q * K + k] + (1 << (SH - 1))) >> SH;
        h[b * K + k] = v < lo ? lo : v > hi ? hi : v;
      }
    }
  }

  // Network hyper, some blocks at a time; then each cell takes its features
  const features = new Int16Array(n * F);
  {
    const member = new Map();
    for (let i = 0; i < n; i++) {
      const list = member.get(blockOf[i]);
      if (list) list.push(i); else member.set(blockOf[i], [i]);
    }
    for (let b0 = 0; b0 < B; b0 += 256) {
      const count = Math.min(256, B - b0);
      const y = engine.run(model.hyper, h.subarray(b0 * K, (b0 + count) * K), count, q, null, null, 0, null);
      for (let b = 0; b < count; b++) {
        for (const i of member.get(blocks[b0 + b])) {
          const row = Math.floor(cells[i] / cols);
          const col = cells[i] - row * cols;
          const from = (b * 16 + (row & 3) * 4 + (col & 3)) * F;
          for (let c = 0; c < F; c++) features[i * F + c] = y[from + c];
        }
      }
      engine.give(y);
    }
  }

  // Passes
  const d = new Int16Array(n * M);
  model.passes.forEach(([parity, first, past], pass) => {
    const net = model.context[pass];
    const width = past - first;
    const chosen = [];
    for (let i = 0; i < n; i++) {
      const row = Math.floor(cells[i] / cols);
      if (((row + cells[i] - row * cols) & 1) === parity) chosen.push(i);
    }
    if (!chosen.length) return;
    const t = new Uint8Array(chosen.length * width);
    const mean = new Int32Array(chosen.length * width);
    let at = 0;
    let done = 0;
    for (const band of bandsOf(cells, cols, net.margin, engine.bands.context)) {
      const count = band.to - band.from;
      const keep = [];
      while (done < chosen.length && chosen[done] < band.past) keep.push(chosen[done++] - band.from);
      if (!keep.length) continue;
      const nb = net.depthwise ? neighboursOf(s, g, band.from, band.to) : null;
      const y = engine.run(net, d.subarray(band.from * M, band.to * M), count, q, nb, features.subarray(band.from * F, band.to * F), F, keep);
      const end = at + keep.length * width;
      engine.parameters(model, q, pass, y, t.subarray(at, end), mean.subarray(at, end));
      engine.give(y);
      at = end;
    }
    const r = new Int32Array(t.length);
    rans.residuals(tables, t, r, t.length);
    onResiduals?.(r, t.length);
    engine.dequantise(model, q, pass, r, mean, chosen, d);
  });
  rans.finish();
  return d;
}

/** Puts the pixels of a group into `out`, of `channels` (3 or 4) bytes each; `net` makes them of its latents. */
export function synthesize(s, g, model, d, out, channels = 3, net = model.synthesis) {
  const { M } = model;
  const { cols, width, height } = s;
  const cells = s.cellsOf[g.index];
  const [f1, f2] = net.shuffles;
  const placeY = new Int32Array(256);
  const placeX = new Int32Array(256);
  for (let i = 0; i < 256; i++) {
    const outer = Math.floor(i / (f2 * f2));
    const inner = i % (f2 * f2);
    placeY[i] = Math.floor(outer / f1) * f2 + Math.floor(inner / f2);
    placeX[i] = (outer % f1) * f2 + (inner % f2);
  }
  for (const band of bandsOf(cells, cols, net.margin, engine.bands.synthesis)) {
    const count = band.to - band.from;
    const nb = net.depthwise ? neighboursOf(s, g, band.from, band.to) : null;
    const keep = Array.from({ length: band.past - band.first }, (_, i) => band.first - band.from + i);
    const y = engine.run(net, d.subarray(band.from * M, band.to * M), count, g.quality, nb, null, 0, keep);
    for (let i = 0, p = 0; i < keep.length; i++) {
      const cell = cells[band.first + i];
      const row = Math.floor(cell / cols);
      const top = row * 16;
      const left = (cell - row * cols) * 16;
      for (let j = 0; j < 256; j++, p += 3) {
        const py = top + placeY[j];
        const px = left + placeX[j];
        if (py >= height || px >= width) continue;
        const to = (py * width + px) * channels;
        out[to] = y[p];
        out[to + 1] = y[p + 1];
        out[to + 2] = y[p + 2];
        if (channels === 4) out[to + 3] = 255;
      }
    }
    engine.give(y);
  }
}

/** Runs a network at the site of a group of quality `q`: an array of its output. */
function atGroup(net, values, q) {
  const y = engine.run(net, values, 1, q, null, null, 0, null);
  const out = Array.from(y.subarray(0, net.channels));
  engine.give(y);
  return out;
}

/** The vector of a group from its own latents (RSTR-04). */
function deriveVector(s, g, model, d) {
  const { M, derive: net } = model;
  const cells = s.cellsOf[g.index];
  const sum = new Float64Array(net.channels);
  for (const band of bandsOf(cells, s.cols, net.margin, engine.bands.context)) {
    const count = band.to - band.from;
    const nb = net.depthwise ? neighboursOf(s, g, band.from, band.to) : null;
    const keep = Array.from({ length: band.past - band.first }, (_, i) => band.first - band.from + i);
    const y = engine.run(net, d.subarray(band.from * M, band.to * M), count, g.quality, nb, null, 0, keep);
    for (let i = 0, p = 0; i < keep.length; i++) for (let c = 0; c < net.channels; c++, p++) sum[c] += y[p] + 32768;
    engine.give(y);
  }
  const n = cells.length;
  return atGroup(model.derived, Array.from(sum, (v) => Math.floor((2 * v + n) / (2 * n)) - 32768), g.quality);
}

/**
 * Puts the restored pixels of a group into `out` (section 12.1); returns its vector.
 * restorer: {model, vectors}, as prepare() gives it.
 */
export function restore(s, g, restorer, d, out, channels = 3) {
  const { model, vectors } = restorer;
  const vector = vectors.get(g.index) ?? vectors.get(255) ?? deriveVector(s, g, model, d);
  const features = atGroup(model.condition, vector, g.quality);
  const ops = model.restore.ops.map((op) => (op.op === 'modulate'
    ? { ...op, g: atGroup(op.gain, features, g.quality), o: atGroup(op.offset, features, g.quality) } : op));
  synthesize(s, g, model, d, out, channels, { ...model.restore, ops });
  return vector;
}

/** The restoration model that `wanted` names, 'stream' or a number, with the vectors for it (RSTR-04 to RSTR-07). */
function restorerFor(stream, wanted, base, models) {
  const said = stream.restoration;
  if (wanted === 'stream' && !said) fail('E_MODEL', 'the stream names no restoration model', null, 'REST');
  const own = said && (wanted === 'stream' || wanted === said.model);
  const number = own ? said.model : wanted;
  const model = findModel(models, number, own ? said.weights : '');
  if (!model) fail('E_MODEL', `model ${number} is not known`, null, 'REST.model');
  if (own && !model.sha256.startsWith(said.weights)) fail('E_MODEL_HASH', `model ${number} has other weights`, null, 'REST.weights');
  if (model.profile !== 2) fail('E_MODEL', `model ${number} restores nothing`, null, 'REST.model');
  if (model.base.model !== base.number || model.base.sha256 !== base.sha256) fail('E_MODEL', `model ${number} belongs to another model`, null, 'REST.model');
  if (model.M !== base.M || model.latent.some((v, i) => v !== base.latent[i])) badModel('a restoration model for other latents');
  const vectors = new Map(own ? said.vectors : []);
  for (const values of vectors.values()) if (values.length !== model.V) fail('E_REST', `a vector of ${values.length} values`, said.offset, 'REST.vectors');
  return { model, vectors };
}
/** The model of a number that the caller has, with these weights if there are several; null without one (MODL-15). */
function findModel(models, number, weights) {
  if (!isKnown(number)) return null;
  if (typeof models === 'function') return models(number, weights);
  const given = models.filter((m) => m.number === number);
  return given.find((m) => m.sha256.startsWith(weights)) ?? given[0] ?? null;
}

/** The groups that a selection names, in order. Throws E_USAGE. */
export function selectGroups(s, select) {
  if (!select) return s.groups.filter((g) => g.size > 0);
  const wanted = new Set();
  for (const k of select.groups ?? []) {
    if (!isInt(k, 0, s.groups.length - 1)) fail('E_USAGE', `the stream has no group ${k}`);
    wanted.add(k);
  }
  for (const level of select.levels ?? []) {
    if (!LEVELS.includes(level)) fail('E_USAGE', `there is no level ${level}`);
    for (const g of s.groups) if (g.level === level) wanted.add(g.index);
  }
  for (const i of select.objects ?? []) {
    if (!s.objects || !isInt(i, 0, s.objects.length - 1)) fail('E_USAGE', `the stream has no object ${i}`);
    wanted.add(s.objects[i].group);
  }
  return s.groups.filter((g) => wanted.has(g.index));
}

/**
 * The first half of a decoding: reads a stream and decodes the latents of the groups asked for, so that
 * every rule is checked before the first pixel is shown (STAT-08).
 * options: models: list of loadModel(), or a function of number and weights that gives one;
 * select: {groups, levels, objects}; maxPixels; metadata; have; restore: 'stream' or the number of a restoration model.
 * Throws SdcError for a file that is invalid or unsupported.
 * Returns {stream, ready: [{group, latents}], missing: groups asked for that are not complete, model, restorer, errors, state}.
 */
export function prepare(file, options = {}) {
  const restoring = options.restore !== undefined;
  const stream = parse(file, { ...options, restoration: restoring, metadata: options.metadata === true || Boolean(options.select?.objects) });
  if (stream.error) throw stream.error;
  const asked = selectGroups(stream, options.select);
  const complete = asked.filter((g) => g.state === 'complete');
  const missing = asked.filter((g) => g.state !== 'complete');
  let model = null;
  let restorer = null;
  if (complete.length) {
    const { models = [] } = options;
    model = findModel(models, stream.model, stream.weights);
    if (!model || model.profile === 2) fail('E_MODEL', `model ${stream.model} is not known`, null, 'HEAD.model');
    if (!model.sha256.startsWith(stream.weights)) fail('E_MODEL_HASH', `model ${stream.model} has other weights`, null, 'HEAD.weights');
    if (restoring) restorer = restorerFor(stream, options.restore, model, models);
  }
  const ready = complete.map((group) => {
    try {
      return { group, latents: decodeLatents(stream, group, model, options.onResiduals?.(group)) };
    } catch (e) {
      if (e instanceof SdcError && !e.where) e.where = `group ${group.index}`;
      throw e;
    }
  });
  const errors = stream.errors.slice();
  for (const g of missing) if (g.state === 'withdrawn') errors.push(new SdcError('E_GROUP_WITHDRAWN', `group ${g.index} has been withdrawn`, null, `group ${g.index}`));
  return { stream, ready, missing, model, restorer, errors, state: stream.state };
}

/**
 * Decodes a stream. Further options: channels 3 (RGB) or 4 (RGBA, alpha 0 where nothing is decoded);
 * fill: colour [R, G, B] of undecoded pixels with 3 channels.
 * Returns prepare()'s object with width, height, pixels, restored (null unless asked for), and exit, the status of a tool.
 */
export function decode(file, options = {}) {
  const p = prepare(file, options);
  const channels = options.channels ?? 3;
  const { width, height } = p.stream;
  const pixels = new Uint8Array(width * height * channels);
  if (channels === 3 && options.fill?.some((v) => v)) for (let i = 0; i < pixels.length; i++) pixels[i] = options.fill[i % 3];
  const restored = options.restore === undefined ? null : pixels.slice();
  for (const { group, latents } of p.ready) {
    synthesize(p.stream, group, p.model, latents, pixels, channels);
    if (p.restorer) restore(p.stream, group, p.restorer, latents, restored, channels);
  }
  return { ...p, width, height, channels, pixels, restored, exit: p.missing.length ? 3 : 0 };
}

// ---------------------------------------------------------------- withdrawing groups (section 17.1)

function varintBytes(v) {
  const out = [];
  for (; v > 127; v = Math.floor(v / 128)) out.push((v % 128) | 128);
  out.push(v);
  return out;
}
function withCrc(body) {
  const out = concat([body, new Uint8Array(4)]);
  new DataView(out.buffer).setUint32(body.length, crc32(body), true);
  return out;
}
const makeChunk = (type, payload) => withCrc(concat([[type], varintBytes(payload.length), payload]));

/** Codes symbols, from the last to the first, as section 9.1 says. */
class RansEncoder {
  constructor() { this.intervals = []; }
  raw(v, n) { this.intervals.push([v << (15 - n), 1 << (15 - n)]); }
  even(v, n) {
    const start = Math.floor((v << 15) / n);
    this.intervals.push([start, Math.floor(((v + 1) << 15) / n) - start]);
  }
  number(v, n) {
    if (n <= 32768) { this.even(v, n); return; }
    this.even(v >> 1, (n + 1) >> 1);
    this.even(v & 1, Math.min(2, n - (v & ~1)));
  }
  finish() {
    let x = 0;
    const words = [];
    for (const [start, freq] of this.intervals.reverse()) {
      if (x >= freq * 131072) { words.push(x % 65536); x = Math.floor(x / 65536); }
      x = Math.floor(x / freq) * 32768 + (x % freq) + start;
    }
    const out = [];
    for (; x > 0; x = Math.floor(x / 256)) out.push(x % 256);
    for (const w of words.reverse()) out.push(w & 255, w >> 8);
    return out;
  }
}

/** The payload of OBJS for some of the objects that `readObjects` gave. */
function objectsPayload(objects, s, file) {
  const { unit } = objects[0];
  const scores = objects.some((o) => o.score !== 255);
  const ranks = objects.some((o, k) => o.rank !== k);
  const masks = objects.some((o) => o.mask !== null);
  const lists = ['label', 'reason'].map((name) => [...new Set(objects.map((o) => o[name]))].filter((text) => text !== ''));
  const used = [0, 0];
  const rans = new RansEncoder();
  const side = (from, length, size) => {
    const units = (size + (1 << unit) - 1) >> unit;
    const first = from >> unit;
    rans.number(first, units);
    rans.number(((from + length + (1 << unit) - 1) >> unit) - first - 1, units - first);
  };
  let before = 0;
  for (const o of objects) {
    rans.even(o.group, s.groups.length);
    lists.forEach((list, i) => {
      const text = i ? o.reason : o.label;
      const v = list.indexOf(text) + 1;
      rans.even(v, Math.min(used[i] + 1, list.length) + 1);
      used[i] = Math.max(used[i], v);
    });
    side(o.x, o.width, s.width);
    side(o.y, o.height, s.height);
    if (scores) rans.raw(o.score, 8);
    if (ranks) { rans.even(o.rank - before, 4095 - before); before = o.rank; }
    if (masks) {
      rans.raw(o.mask ? 1 : 0, 1);
      if (o.mask) rans.number(o.maskLength, 65536);
    }
  }
  const texts = lists.flatMap((list) => [varintBytes(list.length), ...list.flatMap((text) => {
    const bytes = new TextEncoder().encode(text);
    return [varintBytes(bytes.length), bytes];
  })]);
  const coded = rans.finish();
  const layout = unit + (scores ? 8 : 0) + (ranks ? 16 : 0) + (masks ? 32 : 0);
  return concat([varintBytes(objects.length), [layout], ...texts, varintBytes(coded.length), coded,
    ...objects.filter((o) => o.mask).map((o) => file.subarray(o.maskAt, o.maskAt + o.maskLength))]);
}

/**
 * Withdraws all groups but those that `select` names. Throws SdcError where no stream may be written.
 * Returns {data, exit, missing, errors}.
 */
export function extract(file, select, options = {}) {
  const s = parse(file, { ...options, metadata: false });
  if (s.error) throw s.error;
  const kept = selectGroups(s, select);
  const missing = kept.filter((g) => g.state !== 'complete');
  const keep = new Set(kept.filter((g) => g.state === 'complete').map((g) => g.index));
  const withdraws = s.groups.some((g) => g.state !== 'withdrawn' && !keep.has(g.index));
  const before = [];
  const behind = [];
  for (const c of s.chunks) {
    if (c.state !== 'complete') continue;
    let bytes = file.subarray(c.offset, c.offset + c.bytes);
    if (withdraws && c.code === 0x81) {
      let objects;
      try { objects = readObjects(file, c, s); } catch { continue; }
      objects = objects.filter((o) => keep.has(o.group)); // EDIT-02
      if (!objects.length) continue;
      bytes = makeChunk(0x81, objectsPayload(objects, s, file));
    } else if (withdraws && c.code === 0x85) {
      const left = restorationLeft(file, c, s, keep); // EDIT-12
      if (!left) continue;
      bytes = makeChunk(0x85, left);
    } else if (withdraws && !(c.code & 64)) continue;
    (c.offset < s.place ? before : behind).push(bytes);
  }
  const groups = s.groups.filter((g) => keep.has(g.index)).map((g) => file.subarray(g.offset, g.offset + g.size));
  const head = [s.start, [s.groups.length], varintBytes(before.reduce((a, b) => a + b.length, 0))];
  for (const g of s.groups) head.push([g.levelQuality], varintBytes(keep.has(g.index) ? g.size : 0));
  const whole = concat([...head, s.coded]);
  const data = concat([MAGIC, withCrc(concat([varintBytes(whole.length), whole])), ...before, ...groups, ...behind]);
  const damaged = s.errors.some((e) => e.code === 'E_CHUNK_DAMAGED');
  return { data, missing, errors: s.errors, exit: missing.length || damaged ? 3 : 0 };
}
/** Payload of REST without what concerns withdrawn groups; null when the chunk must go. */
function restorationLeft(file, chunk, s, keep) {
  let rest;
  try { rest = readRestoration(file, chunk, s); } catch { return null; }
  if (!keep.size) return null;
  const left = (rows) => rows.filter(([k]) => k === 255 || keep.has(k));
  const vectors = left(rest.vectors).map(([k, values]) => [k, values.length, ...values.map((v) => v & 255)]);
  const degradations = left(rest.degradations);
  return Uint8Array.from([...varintBytes(rest.model), ...rest.weights.match(/../g).map((h) => parseInt(h, 16)),
    vectors.length, ...vectors.flat(), degradations.length, ...degradations.flat()]);
}
function concat(parts) {
  const out = new Uint8Array(parts.reduce((a, b) => a + b.length, 0));
  let at = 0;
  for (const p of parts) { out.set(p, at); at += p.length; }
  return out;
}
