// SPDX-License-Identifier: Apache-2.0
// Decodes away from the page. Each message {id, op, ...} is answered by {id, ok} or {id, fault}.
import { Extents } from './extents.js';
import { DECODER, MODELS } from './places.js';

const beside = (name) => new URL(name, import.meta.url);
const decoder = import(beside(`${DECODER}sdc.js`));
/** The compiled core, or null where there is none: no file, no WebAssembly with SIMD, or one that computes wrongly. */
const core = (async () => {
  try {
    return await (await import(beside(`${DECODER}core.js`))).loadCore();
  } catch { return null; }
})();
const models = new Map(); // number: promise of a model, or of null where there is none
let file = null;

/** The model of a number: one that was dropped, or the file beside the page. */
function modelOf(number) {
  if (!models.has(number)) {
    models.set(number, (async () => {
      const { REGISTRY, loadModel } = await decoder;
      if (!REGISTRY.some((entry) => entry.number === number)) return null;
      try {
        const answer = await fetch(beside(`${MODELS}sdc-model-${number}.safetensors`));
        if (answer.ok) return loadModel(new Uint8Array(await answer.arrayBuffer()), { number });
      } catch { /* there is none, or not the one of the registry: the decoder says E_MODEL */ }
      models.delete(number);
      return null;
    })());
  }
  return models.get(number);
}

/** What is known of the stream without its pixels; `need` bytes from its start are wanted where the header is not there. */
async function describe() {
  const { parse, headerEnd } = await decoder;
  const { bytes, extents } = file;
  const end = Math.min(headerEnd(bytes) ?? 0, bytes.length);
  if (!extents.has(0, end)) return { need: end };
  const have = (from, past) => extents.has(from, past);
  let s = parse(bytes, { have });
  const notes = [];
  if (!s.error) {
    const all = parse(bytes, { have, metadata: true });
    if (all.error) notes.push(all.error); else s = all;
  }
  if (s.error) throw s.error;
  file.stream = s;
  modelOf(s.model); // fetched while the rest of the stream is
  if (!s.restoration) file.restores = null;
  else file.restores ??= true;
  const past = s.groups.reduce((at, g) => Math.max(at, g.offset + g.size), s.place);
  return {
    width: s.width, height: s.height, cols: s.cols, rows: s.rows, model: s.model, header: end, place: s.place, past, total: bytes.length,
    groups: s.groups.map((g) => ({ index: g.index, level: g.level, quality: g.quality, offset: g.offset, size: g.size, cells: g.cells, state: g.state })),
    map: s.map.slice(), colour: s.colour, profile: Boolean(s.iccp),
    objects: s.objects?.map((o) => ({ ...o, mask: o.mask?.slice() ?? null })) ?? [],
    described: have(Math.min(past, bytes.length), bytes.length), restoration: s.restoration?.model ?? null,
    faults: [...s.errors, ...notes].map(faultOf),
  };
}

/** Decodes the symbols of groups and checks them, as far as they are complete: no pixel is made of an invalid file. */
async function prepareGroups(groups) {
  const { prepare, SdcError } = await decoder;
  const { bytes, extents, stream, latents } = file;
  const wanted = groups.filter((k) => stream.groups[k].state === 'complete' && !latents.has(k));
  if (!wanted.length) return { milliseconds: 0, faults: [] };
  const faults = [];
  const known = [await modelOf(stream.model)];
  if (file.restores) known.push(await modelOf(stream.restoration.model));
  const asked = {
    models: known.filter((model) => model), select: { groups: wanted }, have: (from, past) => extents.has(from, past),
  };
  const start = performance.now();
  let p;
  try {
    p = prepare(bytes, file.restores ? { ...asked, restore: 'stream' } : asked);
  } catch (error) {
    if (!(error instanceof SdcError) || !file.restores || !error.where.startsWith('REST')) throw error;
    file.restores = null;
    faults.push(faultOf(error));
    p = prepare(bytes, asked);
  }
  Object.assign(file, { model: p.model, restorer: p.restorer, prepared: p.stream });
  for (const { group, latents: own } of p.ready) latents.set(group.index, own);
  return { milliseconds: performance.now() - start, faults };
}

/** A rectangle of an image of four channels. */
function cut(pixels, width, { x, y, w, h }) {
  const out = new Uint8ClampedArray(w * h * 4);
  for (let row = 0; row < h; row++) {
    const from = ((y + row) * width + x) * 4;
    out.set(pixels.subarray(from, from + w * 4), row * w * 4);
  }
  return out;
}

/** The rectangle around the cells of a group. */
function around({ cellsOf, cols, width, height }, k) {
  let [left, right] = [cols, 0];
  const cells = cellsOf[k];
  for (const cell of cells) {
    const col = cell % cols;
    if (col < left) left = col;
    if (col > right) right = col;
  }
  const top = Math.floor(cells[0] / cols);
  const bottom = Math.floor(cells[cells.length - 1] / cols);
  const [x, y] = [left * 16, top * 16];
  return { x, y, w: Math.min(width, right * 16 + 16) - x, h: Math.min(height, bottom * 16 + 16) - y };
}

/** The pixels of a prepared group: RGBA of the rectangle around it, and restored ones where the stream asks for them. */
async function pixelsOf(k) {
  const { synthesize, restore } = await decoder;
  const { prepared: s, model, restorer, latents } = file;
  const own = latents.get(k);
  if (!own) return null;
  const start = performance.now();
  const box = around(s, k);
  const group = s.groups[k];
  file.canvas ??= new Uint8Array(s.width * s.height * 4);
  synthesize(s, group, model, own, file.canvas, 4);
  const pixels = cut(file.canvas, s.width, box);
  let restored = null;
  if (restorer) {
    restore(s, group, restorer, own, file.canvas, 4);
    restored = cut(file.canvas, s.width, box);
  }
  latents.set(k, null); // its pixels are the page's now
  return { box, pixels, restored, milliseconds: performance.now() - start };
}

const OPERATIONS = {
  async begin({ engine, model }) {
    if (engine === 'javascript') return 'JavaScript';
    const found = await core;
    if (found) (await decoder).useEngine(found);
    if (model !== undefined) modelOf(model);
    return found?.name ?? 'JavaScript';
  },
  async open({ bytes, total }) {
    file = { bytes, extents: new Extents(), latents: new Map(), restores: undefined, canvas: null };
    file.extents.add(0, bytes.length);
    if (total > bytes.length) {
      file.bytes = new Uint8Array(total);
      file.bytes.set(bytes);
    }
    return describe();
  },
  async put({ offset, bytes }) {
    file.bytes.set(bytes, offset);
    file.extents.add(offset, offset + bytes.length);
    return describe();
  },
  prepare: ({ groups }) => prepareGroups(groups),
  pixels: ({ group }) => pixelsOf(group),
  async model({ bytes }) {
    const model = (await decoder).loadModel(bytes);
    if (model.number !== null) models.set(model.number, Promise.resolve(model));
    return model.number;
  },
};

/** An error as plain data: those of the decoder have a code, and where known a place. */
function faultOf({ code = null, cls = null, message, offset = null, where = '' }) {
  return { code, cls, message, offset, where };
}

// One after the other, in the order in which they came.
let before = core;
self.addEventListener('message', ({ data: { id, op, ...asked } }) => {
  before = before.then(async () => {
    try {
      const ok = await OPERATIONS[op](asked);
      const buffers = [ok?.pixels?.buffer, ok?.restored?.buffer].filter((buffer) => buffer);
      self.postMessage({ id, ok }, buffers);
    } catch (error) {
      self.postMessage({ id, fault: faultOf(error) });
    }
  });
});
