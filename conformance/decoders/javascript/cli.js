#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Speaks the protocol of the conformance suite: info, decode, serve, extract, validate, model.
// In front of the operation: --wasm, compute by WebAssembly or fail; --no-wasm, by plain JavaScript.
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { EXIT, SdcError, parse, prepare, synthesize, restore, loadModel, extract, useEngine } from './sdc.js';
import { loadCore } from './core.js';

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
const raw = (a) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength); // typed arrays here are little-endian
const limits = process.env.SDC_MAX_PIXELS ? { maxPixels: Number(process.env.SDC_MAX_PIXELS) } : {};
const here = path.dirname(fileURLToPath(import.meta.url));

const loaded = new Map();
/** The model of a number from the folder SDC_MODELS; read once. */
function findModel(number, weights) {
  const file = path.join(process.env.SDC_MODELS ?? here, `sdc-model-${number}.safetensors`);
  if (!loaded.has(file)) {
    let bytes = null;
    try { bytes = new Uint8Array(fs.readFileSync(file)); } catch (e) { if (e.code !== 'ENOENT') throw new SdcError('E_IO', e.message, null, file); }
    loaded.set(file, bytes && { bytes, sha256: hash(bytes), model: null });
  }
  const entry = loaded.get(file);
  if (!entry) return null;
  if (!entry.sha256.startsWith(weights)) return entry; // prepare() answers with E_MODEL_HASH
  entry.model ??= loadModel(entry.bytes, { number });
  return entry.model;
}

const fault = (e) => ({
  code: e.code, message: e.message, ...(e.offset !== null ? { offset: e.offset } : {}), where: e.where || 'stream',
});

function info(file) {
  const s = parse(file, { ...limits, metadata: true });
  if (s.error) return [EXIT[s.error.cls], { error: fault(s.error) }];
  return [s.state === 'partial' ? 3 : 0, {
    width: s.width, height: s.height, features: s.features, model: s.model, weights: s.weights, version: s.version,
    groups: s.groups.map((g) => ({ level: g.levelNumber, quality: g.quality, offset: g.offset, size: g.size, state: g.state })),
    chunks: s.chunks.map((c) => ({
      type: c.code, offset: c.offset, size: c.bytes, state: c.state === 'complete' ? 'complete' : 'damaged',
    })),
    map: hash(s.map),
    errors: s.errors.map(fault),
    colour: s.colour,
    icc: s.iccp && hash(s.iccp),
    exif: s.exif && hash(s.exif),
    xmp: s.xmp && hash(s.xmp),
    restoration: s.restoration && {
      model: s.restoration.model, weights: s.restoration.weights, vectors: s.restoration.vectors, degradations: s.restoration.degradations,
    },
    objects: s.objects.map((o) => ({
      group: o.group, box: [o.x, o.y, o.width, o.height], score: o.score, rank: o.rank, label: o.label, reason: o.reason,
      mask: o.mask ? hash(o.mask) : null,
    })),
  }];
}

/** Hashes the pixels of each group in raster order of the picture: runs of a cell's row, group by group. */
function groupHashes(s, pixels, labels) {
  const { width, height, cols } = s;
  const hashes = new Map(labels.map((label) => [label, createHash('sha256')]));
  for (let y = 0; y < height; y++) {
    const row = (y >> 4) * cols;
    for (let col = 0; col < cols;) {
      const label = s.map[row + col];
      let past = col + 1;
      while (past < cols && s.map[row + past] === label) past++;
      hashes.get(label)?.update(pixels.subarray((y * width + col * 16) * 3, (y * width + Math.min(width, past * 16)) * 3));
      col = past;
    }
  }
  return [...hashes].map(([label, h]) => [label - 1, h.digest('hex')]);
}

function decodeAll(file, { groups, alpha, restored }, write) {
  const symbols = new Map();
  const p = prepare(file, {
    ...limits, models: findModel, select: groups ? { groups } : undefined, restore: restored,
    onResiduals: (g) => {
      const h = createHash('sha256');
      symbols.set(g.index, h);
      return (r, count) => h.update(raw(Int16Array.from(r.subarray(0, count))));
    },
  });
  const s = p.stream;
  const { width, height } = s;
  const pixels = new Uint8Array(width * height * 3).fill(128);
  const rgba = alpha ? new Uint8Array(width * height * 4) : null;
  const results = s.groups.map((g) => ({ state: g.state, decoded: false }));
  for (const { group, latents } of p.ready) {
    synthesize(s, group, p.model, latents, pixels);
    if (rgba) synthesize(s, group, p.model, latents, rgba, 4);
    Object.assign(results[group.index], { decoded: true, symbols: symbols.get(group.index).digest('hex'), latents: hash(raw(latents)) });
  }
  const labels = p.ready.map(({ group }) => group.index + 1);
  for (const [k, h] of groupHashes(s, pixels, labels)) results[k].pixels = h;
  const result = { width, height, map: hash(s.map), pixels: hash(pixels), ...(rgba ? { rgba: hash(rgba) } : {}), groups: results };
  let better = null;
  if (restored !== undefined) {
    better = new Uint8Array(pixels.length).fill(128);
    for (const { group, latents } of p.ready) results[group.index].vector = restore(s, group, p.restorer, latents, better);
    for (const [k, h] of groupHashes(s, better, labels)) results[k].restored = h;
    result.restored = hash(better);
  }
  write?.(s.map, pixels, rgba, better, result);
  return [p.missing.length ? 3 : 0, result];
}

function run(op, file, asked, write) {
  try {
    if (op === 'info') return [...info(file)];
    if (op === 'decode') return decodeAll(file, asked, write);
    if (op === 'extract') {
      const r = extract(file, { groups: asked.groups ?? [] }, limits);
      write?.(r.data);
      return [r.exit, { data: Buffer.from(r.data).toString('base64') }];
    }
    if (op === 'validate') return [prepare(file, { ...limits, metadata: true, models: findModel }).state === 'partial' ? 3 : 0, {}];
    if (op === 'model') { loadModel(file); return [0, {}]; }
    return [64, { error: { code: 'E_USAGE', where: `operation ${op}` } }];
  } catch (e) {
    if (!(e instanceof SdcError)) throw e;
    return [EXIT[e.cls], { error: fault(e) }];
  }
}

async function serve() {
  const out = (o) => fs.writeSync(1, `${JSON.stringify(o)}\n`);
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    if (!line.trim()) continue;
    let id = null;
    try {
      const q = JSON.parse(line);
      id = q.id;
      const [exit, answer] = run(q.op, new Uint8Array(Buffer.from(q.data ?? '', 'base64')), q);
      out({ id, exit, ...answer });
    } catch (e) {
      process.stderr.write(`${e.stack}\n`);
      out({ id, exit: 70, error: { code: 'E_USAGE', where: String(e.message) } });
    }
  }
  return 0;
}

/** Puts in the engine that an option asks for, or else the faster one that there is; whether it is there. */
async function chooseEngine(option) {
  if (option === '--no-wasm') return true;
  try {
    useEngine(await loadCore());
    return true;
  } catch (e) {
    process.stderr.write(`no WebAssembly${option ? '' : ', so plain JavaScript computes'}: ${e.message}\n`);
    return !option;
  }
}

async function command(words) {
  const engine = ['--wasm', '--no-wasm'].includes(words[0]) ? words[0] : null;
  const [op, ...args] = engine ? words.slice(1) : words;
  if (!await chooseEngine(engine)) {
    process.stdout.write(`${JSON.stringify({ error: { code: 'E_USAGE', where: engine } })}\n`);
    return 64;
  }
  if (op === 'serve') return serve();
  let groups;
  let restored;
  const usage = (where) => {
    process.stdout.write(`${JSON.stringify({ error: { code: 'E_USAGE', where } })}\n`);
    return 64;
  };
  const option = (name, pattern) => {
    const at = args.indexOf(name);
    if (at < 0) return undefined;
    const [, value] = args.splice(at, 2);
    return value !== undefined && pattern.test(value) ? value : null;
  };
  const list = option('--groups', /^(\d+(,\d+)*)?$/);
  const by = option('--restored', /^(stream|\d+)$/);
  if (list === null || by === null) return usage(list === null ? '--groups' : '--restored');
  if (list !== undefined) groups = list === '' ? [] : list.split(',').map(Number);
  if (by !== undefined) restored = by === 'stream' ? by : Number(by);
  const flag = args.indexOf('--alpha');
  const alpha = flag >= 0 && op === 'decode';
  if (alpha) args.splice(flag, 1);
  const count = { info: 1, decode: 2, extract: 2, validate: 1, model: 1 }[op];
  if (count === undefined || args.length !== count) return usage('cli.js [--wasm | --no-wasm] info FILE | decode FILE OUTDIR [--groups 0,2] [--alpha] [--restored stream] | serve | extract FILE OUT --groups 0,2 | validate FILE | model FILE');
  let file;
  try { file = new Uint8Array(fs.readFileSync(args[0])); } catch (e) {
    const code = e.code === 'ENOENT' ? 'E_INPUT' : 'E_IO';
    process.stdout.write(`${JSON.stringify({ error: { code, where: args[0] } })}\n`);
    return code === 'E_INPUT' ? 66 : 74;
  }
  const save = (name, bytes) => { // complete or not at all (TOOL-04)
    try { fs.writeFileSync(`${name}.part`, bytes); } catch (e) {
      fs.rmSync(`${name}.part`, { force: true });
      throw e;
    }
    fs.renameSync(`${name}.part`, name);
  };
  const write = op === 'extract' ? (data) => save(args[1], data) : (map, pixels, rgba, better, result) => {
    save(path.join(args[1], 'map.bin'), map);
    save(path.join(args[1], 'pixels.rgb'), pixels);
    if (rgba) save(path.join(args[1], 'pixels.rgba'), rgba);
    if (better) save(path.join(args[1], 'restored.rgb'), better);
    save(path.join(args[1], 'result.json'), JSON.stringify(result));
  };
  try {
    const [exit, answer] = run(op, file, { groups, alpha, restored }, write);
    if (op === 'extract') delete answer.data;
    fs.writeSync(1, `${JSON.stringify(answer)}\n`);
    return exit;
  } catch (e) {
    if (!e.syscall) {
      process.stderr.write(`${e.stack}\n`);
      return 70;
    }
    fs.writeSync(1, `${JSON.stringify({ error: { code: 'E_IO', message: e.message, where: args[1] } })}\n`);
    return 74;
  }
}

process.exitCode = await command(process.argv.slice(2));
