// SPDX-License-Identifier: Apache-2.0
// The page: opens a stream, shows it as far as the slider says, and its objects.
import { Layer, cellsOf, covers, drawMap, outlineOf } from './canvas.js';
import { Decoder } from './decoder.js';
import { Opened } from './opened.js';
import { LocalFile, RemoteFile } from './source.js';
import { LEVELS, bytes, count, explain, percent } from './words.js';

const $ = (id) => document.getElementById(id);
const COLOURS = { L1: [213, 94, 0, 255], L2: [240, 180, 0, 255], L3: [0, 114, 178, 255], other: [138, 138, 138, 255] };
const asked = new URLSearchParams(location.search);
const still = matchMedia('(prefers-reduced-motion: reduce)').matches || asked.has('still');
const decoder = new Decoder();
const engine = decoder.ask('begin', { engine: asked.get('engine'), model: asked.has('url') ? undefined : 1 });

/** What is on the page: an Opened, how far it is shown, and what is chosen. */
let page = null;
let turn = 0;
let saved = null; // address of the PNG that was made last
let last = null; // the file that was chosen last

/** A new element with text, which may be a stranger's: it is never read as HTML. */
function make(name, text = '', { className = '', ...rest } = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  element.className = className;
  for (const [key, value] of Object.entries(rest)) element.setAttribute(key, value);
  return element;
}

let speech = 0;
/** Says something to screen readers, the last of what comes in quick succession. */
function say(text) {
  clearTimeout(speech);
  speech = setTimeout(() => { $('live').textContent = text; }, 250);
}

// ---- errors

function showFault(error, shown = false) {
  if (!error.code) console.warn(error);
  const { title, text, place } = explain(error, shown);
  const panel = $('faults');
  if (![...panel.querySelectorAll('h2')].some((h) => h.textContent === title)) panel.append(make('h2', title));
  const line = make('p', text);
  if (place) line.append(make('code', place));
  if (![...panel.querySelectorAll('p')].some((p) => p.textContent === line.textContent)) panel.append(line);
  panel.hidden = false;
}

function clearPage() {
  document.body.classList.remove('broken');
  for (const id of ['faults', 'objects', 'outlines', 'segments', 'ticks', 'facts']) $(id).replaceChildren();
  $('levels').tBodies[0].replaceChildren();
  for (const id of ['faults', 'objects', 'objects-hint', 'no-objects', 'compare', 'whole', 'saved', 'divider', 'left-tag', 'right-tag', 'restored', 'original']) $(id).hidden = true;
  for (const id of ['map', 'decoded', 'restored', 'original']) Object.assign($(id), { width: 0, height: 0 });
  $('slider').disabled = true;
  $('objects').removeAttribute('aria-activedescendant');
  $('used').textContent = '0';
  $('share').textContent = '';
  $('download').disabled = true;
  $('decoded').setAttribute('aria-label', 'No image');
}

// ---- opening

/** Opens a source; what was open before is let go of. `original` is a promise of an image to show beside it, or null. */
async function open(source, { original = null, upto = null, play = false } = {}) {
  const mine = ++turn;
  stopPlaying();
  page = null;
  clearPage();
  $('frame').setAttribute('aria-busy', 'true');
  document.title = `${source.name} · SDC viewer`;
  const opened = new Opened(source, decoder, {
    onChange: () => { if (mine === turn && page) refresh(); },
    onFault: (fault) => { if (mine === turn) showFault(fault, true); },
  });
  try {
    const by = await engine;
    await opened.begin();
    if (mine !== turn) return;
    page = { opened, by, stop: 0, active: -1, alone: null, beside: 'none', touched: false, original: null };
    setUp();
    const beside = loadOriginal(original, mine);
    await grow(upto, mine);
    await beside;
    if (mine === turn && play && !still) startPlaying();
  } catch (error) {
    if (mine !== turn) return;
    end(error);
  } finally {
    if (mine === turn) $('frame').setAttribute('aria-busy', 'false');
  }
}

/** Shows nothing any more but why. */
function end(error) {
  turn++;
  stopPlaying();
  page = null;
  clearPage();
  document.body.classList.add('broken');
  showFault(error);
  $('frame').setAttribute('aria-busy', 'false');
}

/** Makes the page ready for a stream of which the header is known. */
function setUp() {
  const { opened } = page;
  const { info } = opened;
  const space = info.colour?.[0] === 12 && info.colour[1] === 13 ? 'display-p3' : 'srgb';
  page.space = space;
  const frame = $('frame');
  frame.style.setProperty('--shape', String(info.width / info.height));
  frame.classList.toggle('coarse', Math.max(info.width, info.height) < 256);
  Object.assign($('map').style, { width: `${1600 * info.cols / info.width}%`, height: `${1600 * info.rows / info.height}%` });
  drawMap($('map'), info, (k) => COLOURS[info.groups[k].level]);
  const layers = { decoded: new Layer($('decoded'), info, space), restored: () => (layers.better ??= new Layer($('restored'), info, space)) };
  opened.layers = layers;
  $('outlines').setAttribute('viewBox', `0 0 ${info.width} ${info.height}`);
  drawRuler();
  refresh();
}

/** Fetches, decodes and shows level after level. */
async function grow(upto, mine) {
  const { opened } = page;
  const until = opened.levels.includes(upto) ? opened.levels.indexOf(upto) + 1 : opened.levels.length;
  const wanted = opened.levels.slice(0, until);
  const { groups } = opened.info;
  const shows = () => { if (mine === turn && page && !page.touched) show(page.stop + 1); };
  if (!opened.source.remote || opened.got.has(0, opened.info.total)) {
    await opened.ensure(groups.filter((g) => wanted.includes(g.level)).map((g) => g.index), shows);
  } else {
    for (const level of wanted) {
      if (mine !== turn || page.touched) return;
      await opened.ensure(groups.filter((g) => g.level === level).map((g) => g.index), shows);
      if (mine === turn && level === wanted[0]) await opened.describe();
    }
  }
  if (mine !== turn || !page || page.touched) return;
  show(wanted.length ? opened.stopOf(wanted[until - 1]) : 0);
}

async function loadOriginal(original, mine) {
  try {
    const bitmap = await original;
    if (!bitmap || mine !== turn || !page) return;
    const { width, height } = page.opened.info;
    const canvas = Object.assign($('original'), { width, height });
    canvas.getContext('2d', { colorSpace: page.space }).drawImage(bitmap, 0, 0, width, height);
    page.original = bitmap;
    drawCompare();
  } catch {
    if (mine === turn) showFault(new Error('the original could not be fetched, or is no image that this browser knows'));
  }
}

async function fetchOriginal(url) {
  const answer = await fetch(new URL(url, document.baseURI), { referrerPolicy: 'no-referrer' });
  if (!answer.ok) throw new Error(answer.statusText);
  return createImageBitmap(await answer.blob());
}

// ---- how far the image is shown

/** Goes to a stop of the slider: fetches and decodes what it takes, then shows it. */
async function go(stop) {
  const { opened } = page;
  const mine = turn;
  const wanted = Math.max(0, Math.min(stop, opened.stops.length - 1));
  Object.assign(page, { touched: true, wanted });
  page.alone = null;
  try {
    await opened.ensure(opened.info.groups.slice(0, opened.stops[wanted].count).map((g) => g.index));
  } catch (error) {
    if (mine === turn) end(error);
    return;
  }
  if (mine !== turn || page.wanted !== wanted) return;
  show(wanted);
  say(`${nameOf(wanted)}: ${$('used').textContent} ${$('used-unit').textContent}`);
}

/** Shows what is decoded, up to a stop. */
function show(stop) {
  const { opened } = page;
  page.stop = Math.max(0, Math.min(stop, opened.stops.length - 1));
  const { count: groups } = opened.stops[page.stop];
  const { map } = opened.info;
  for (const layer of [opened.layers.decoded, opened.layers.better]) layer?.show((cell) => map[cell] > 0 && map[cell] <= groups);
  refresh();
}

/** Fetches and shows one object alone; null shows the whole again. */
async function alone(index) {
  const { opened } = page;
  const mine = turn;
  stopPlaying();
  if (index === null || page.alone === index) {
    if (page.alone === null) return;
    page.alone = null;
    show(page.stop);
    say('Whole image');
    return;
  }
  page.touched = true;
  page.alone = index;
  const thing = opened.info.objects[index];
  try {
    await opened.ensure([thing.group]);
  } catch (error) {
    if (mine === turn) end(error);
    return;
  }
  if (mine !== turn || page.alone !== index) return;
  const cells = cellsOf(thing, opened.info);
  page.cells = cells;
  for (const layer of [opened.layers.decoded, opened.layers.better]) layer?.show((cell) => cells.has(cell));
  refresh();
  say(`${labelOf(thing)} alone: ${$('used').textContent} ${$('used-unit').textContent}`);
}

const labelOf = (thing) => thing.label || `object ${thing.index}`;

function nameOf(stop) {
  const { stops, levels, info } = page.opened;
  if (stop === 0) return 'the header and the group map';
  const { level, count: groups } = stops[stop];
  const whole = page.opened.stopOf(level) === stop;
  if (stop === stops.length - 1) return levels.length > 1 ? `${levels[0]} to ${level}, everything` : 'everything';
  if (!whole) return `${groups} of ${count(info.groups.length, 'group')}, in ${level}`;
  return levels[0] === level ? level : `${levels[0]} to ${level}`;
}

// ---- what stands around the image

const bySpan = ([from, past], total) => ({ left: `${100 * from / total}%`, width: `${100 * (past - from) / total}%` });

/** Draws the file to scale: a piece for each group, and what stands around them. */
function drawRuler() {
  const { opened } = page;
  const { groups, place, past, total } = opened.info;
  const pieces = [{ level: 'none', span: [0, Math.min(place, total)], group: -1 }];
  for (const g of groups) if (g.size) pieces.push({ level: g.level, span: [g.offset, Math.min(g.offset + g.size, total)], group: g.index });
  if (past < total) pieces.push({ level: 'none', span: [past, total], group: -2 });
  page.pieces = pieces.filter(({ span: [from, to] }) => to > from).map((piece) => {
    const element = make('i', '', { className: `level-${piece.level}` });
    Object.assign(element.style, bySpan(piece.span, total));
    return { ...piece, element };
  });
  $('segments').replaceChildren(...page.pieces.map(({ element }) => element));
  page.ticks = opened.levels.map((level) => {
    const own = pieces.filter((piece) => piece.level === level);
    const middle = (own[0].span[0] + own[own.length - 1].span[1]) / 2;
    const element = make('span', level);
    element.style.left = `${100 * middle / total}%`;
    return { level, element };
  });
  $('ticks').replaceChildren(...page.ticks.map(({ element }) => element));
  placeTicks();
  Object.assign($('slider'), { max: String(total), disabled: opened.stops.length < 2 });
}

/** Leaves out labels of levels that have no room. */
function placeTicks() {
  let past = -Infinity;
  for (const { element } of page?.ticks ?? []) {
    element.hidden = false;
    const { left, right } = element.getBoundingClientRect();
    if (left < past + 6) element.hidden = true; else past = right;
  }
}

/** Which groups are on the canvas. */
const isUsed = (k) => (page.alone === null ? k < page.opened.stops[page.stop].count : page.opened.info.objects[page.alone].group === k);

function refresh() {
  const { opened } = page;
  if (!opened.layers) return;
  const { info, stops, source } = opened;
  const stop = stops[page.stop];
  const thing = page.alone === null ? null : info.objects[page.alone];
  const used = thing ? Math.min(info.place, info.total) + info.groups[thing.group].size : stop.bytes;
  $('used').textContent = bytes(used).replace(/ \D+$/, '');
  $('used-unit').textContent = used === 1 ? 'byte' : 'bytes';
  const bits = (8 * used / (info.width * info.height)).toFixed(3);
  const waits = opened.decoded.size === 0 && stops.length > 1 && $('frame').getAttribute('aria-busy') === 'true';
  const part = `${percent(used, info.total)} of ${bytes(info.total)}`;
  if (waits) $('share').textContent = 'Decoding. The first time, this fetches the model, 4 MB.';
  else $('share').textContent = thing ? `for ${labelOf(thing)} alone, ${part}` : `${part}, ${bits} bits per pixel`;
  $('slider').value = String(stop.bytes);
  $('slider').setAttribute('aria-valuetext', `${nameOf(page.stop)}, ${bytes(stop.bytes)} of ${bytes(info.total)}`);
  for (const { element, group, span } of page.pieces) {
    element.classList.toggle('used', group === -1 || isUsed(group));
    element.classList.toggle('absent', !opened.got.has(...span));
  }
  for (const { element, level } of page.ticks) element.classList.toggle('used', info.groups.some((g) => g.level === level && isUsed(g.index)));
  const labels = info.objects.filter((o) => isUsed(o.group)).map(labelOf).slice(0, 12).join(', ');
  const shows = thing ? `${labelOf(thing)} alone` : nameOf(page.stop);
  $('decoded').setAttribute('aria-label', `Decoded image of ${info.width} by ${info.height} pixels, ${shows}${labels && !thing ? `: ${labels}` : ''}`);
  $('whole').hidden = page.alone === null;
  $('slider').classList.toggle('idle', page.alone !== null);
  $('download').disabled = opened.decoded.size === 0;
  info.faults.forEach((fault) => showFault(fault, true));
  drawLevels();
  drawObjects();
  drawCompare();
  drawFacts(source);
}

function drawLevels() {
  const { info } = page.opened;
  const body = $('levels').tBodies[0];
  const own = LEVELS.map((level) => [level, info.groups.filter((g) => g.level === level)]).filter(([, groups]) => groups.length);
  if (body.rows.length !== own.length) {
    body.replaceChildren(...own.map(([level, groups]) => {
      const row = make('tr', '', { className: `level-${level}` });
      const button = make('button', level, { type: 'button', title: `Show up to ${level}` });
      button.addEventListener('click', () => { stopPlaying(); go(page.opened.stopOf(level)); });
      const sum = (key) => groups.reduce((all, g) => all + g[key], 0);
      const qualities = [...new Set(groups.map((g) => g.quality))].sort((a, b) => a - b);
      const quality = qualities.length > 1 ? `${qualities[0]}–${qualities[qualities.length - 1]}` : qualities[0];
      row.append(make('td'), make('td', percent(sum('cells'), info.map.length)), make('td', quality),
        make('td', sum('size') ? bytes(sum('size')).replace(/ \D+$/, '') : 'withdrawn'));
      row.cells[0].append(button);
      return row;
    }));
  }
  own.forEach(([, groups], i) => body.rows[i].classList.toggle('used', groups.some((g) => isUsed(g.index))));
}

function drawFacts({ remote, requests, received }) {
  const { opened } = page;
  const { info } = opened;
  const rows = [['size', `${info.width} × ${info.height}`], ['groups', `${info.groups.length}`], ['model', `${info.model}`]];
  if (remote) rows.push(['fetched', `${bytes(received)} in ${count(requests, 'request')}`]);
  rows.push(['colours', coloursOf(info)]);
  if (info.restoration !== null) rows.push(['restoration', `model ${info.restoration}`]);
  if (opened.decoded.size) rows.push(['decoded', `in ${Math.round(opened.time)} ms by ${page.by}`]);
  $('facts').replaceChildren(...rows.flatMap(([term, text]) => [make('dt', term), make('dd', text)]));
}

function coloursOf({ colour, profile }) {
  if (profile) return 'ICC profile, not applied: shown as sRGB';
  if (!colour || (colour[0] === 1 && colour[1] === 13)) return 'sRGB';
  if (page.space === 'display-p3') return 'Display P3';
  return `code points ${colour.join(', ')}, not applied: shown as sRGB`;
}

// ---- objects

function drawObjects() {
  const { info } = page.opened;
  const list = $('objects');
  if (page.drawn !== info.objects) {
    page.drawn = info.objects;
    list.replaceChildren(...info.objects.map((thing) => {
      const { size, state } = info.groups[thing.group];
      const item = make('li', '', { className: `level-${thing.level}`, role: 'option', id: `object-${thing.index}`, 'aria-selected': 'false' });
      const sizes = state === 'withdrawn' ? 'withdrawn' : bytes(size);
      const score = thing.score < 255 ? ` · ${Math.round(100 * thing.score / 255)} %` : '';
      item.append(make('span', labelOf(thing), { className: 'label', dir: 'auto' }), make('span', sizes, { className: 'size' }),
        make('span', `${thing.level}${score}${thing.reason ? ` · ${thing.reason}` : ''}`, { className: 'reason', dir: 'auto' }));
      item.addEventListener('pointerenter', () => activate(thing.index));
      item.addEventListener('pointerleave', () => activate(-1));
      item.addEventListener('click', () => { activate(thing.index); alone(thing.index); });
      return item;
    }));
    $('outlines').replaceChildren();
  }
  list.hidden = $('objects-hint').hidden = info.objects.length === 0;
  $('no-objects').hidden = info.objects.length > 0 || !info.described;
  [...list.children].forEach((item, k) => {
    item.classList.toggle('active', k === page.active);
    item.classList.toggle('dim', !isUsed(info.objects[k].group));
    item.setAttribute('aria-selected', String(k === page.alone));
  });
  for (const k of [page.active, page.alone ?? -1]) if (k >= 0) outline(info.objects[k]);
  for (const mark of $('outlines').children) {
    mark.classList.toggle('active', Number(mark.dataset.object) === page.active);
    mark.classList.toggle('alone', Number(mark.dataset.object) === page.alone);
  }
}

/** Draws the outline of an object, the first time that it is wanted. */
function outline(thing) {
  const svg = $('outlines');
  if ([...svg.children].some((mark) => Number(mark.dataset.object) === thing.index)) return;
  const make2 = (name) => document.createElementNS('http://www.w3.org/2000/svg', name);
  const mark = make2('g');
  mark.dataset.object = String(thing.index);
  const d = outlineOf(thing);
  for (const kind of ['halo', 'line']) {
    const path = make2('path');
    path.setAttribute('d', d);
    path.setAttribute('class', kind);
    if (kind === 'line') path.style.stroke = `rgb(${COLOURS[thing.level].slice(0, 3).join(' ')})`;
    mark.append(path);
  }
  svg.append(mark);
}

/** Marks an object, on the image and in the list; -1 none. */
function activate(index) {
  if (!page || page.active === index) return;
  page.active = index;
  if (index < 0) $('objects').removeAttribute('aria-activedescendant');
  else $('objects').setAttribute('aria-activedescendant', `object-${index}`);
  drawObjects();
}

/** The smallest object at a place of the frame, or -1. */
function objectAt(event) {
  const { width, height, objects } = page.opened.info;
  const { left, top, width: wide, height: tall } = $('frame').getBoundingClientRect();
  const [x, y] = [(event.clientX - left) / wide * width, (event.clientY - top) / tall * height];
  const here = objects.filter((thing) => covers(thing, x, y));
  return here.reduce((best, thing) => (!best || thing.width * thing.height < best.width * best.height ? thing : best), null)?.index ?? -1;
}

$('frame').addEventListener('pointermove', (event) => {
  if (!page || event.target === $('divider')) return;
  const index = objectAt(event);
  $('frame').classList.toggle('pointing', index >= 0);
  activate(index);
});
$('frame').addEventListener('pointerleave', () => activate(-1));
$('frame').addEventListener('click', (event) => {
  if (!page || [$('divider'), $('whole')].includes(event.target)) return;
  const index = objectAt(event);
  alone(index < 0 ? null : index);
});
$('whole').addEventListener('click', () => alone(null));

$('objects').addEventListener('keydown', (event) => {
  if (!page) return;
  const last = page.opened.info.objects.length - 1;
  const to = { ArrowDown: Math.min(page.active + 1, last), ArrowUp: Math.max(page.active - 1, 0), Home: 0, End: last }[event.key];
  if (to !== undefined) {
    activate(to);
    $(`object-${to}`).scrollIntoView({ block: 'nearest' });
  } else if ((event.key === 'Enter' || event.key === ' ') && page.active >= 0) alone(page.active);
  else return;
  event.preventDefault();
});
$('objects').addEventListener('focus', () => { if (page && page.active < 0 && $('objects').matches(':focus-visible')) activate(page.alone ?? 0); });
$('objects').addEventListener('blur', () => activate(-1));
addEventListener('keydown', (event) => { if (event.key === 'Escape' && page) alone(null); });

// ---- the slider, and playing

$('slider').addEventListener('input', () => {
  stopPlaying();
  const at = Number($('slider').value);
  const { stops } = page.opened;
  const nearest = stops.reduce((best, stop, k) => (Math.abs(stop.bytes - at) < Math.abs(stops[best].bytes - at) ? k : best), 0);
  go(nearest);
});
$('slider').addEventListener('change', () => { if (page) refresh(); });
$('slider').addEventListener('keydown', (event) => {
  if (!page) return;
  const { opened } = page;
  const at = page.wanted ?? page.stop;
  const ends = [0, ...opened.levels.map((level) => opened.stopOf(level))];
  const to = {
    ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: opened.stops.length - 1,
    PageUp: ends.find((end) => end > at) ?? at, PageDown: ends.findLast((end) => end < at) ?? at,
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  stopPlaying();
  go(to);
});

let player = 0;
function stopPlaying() {
  clearInterval(player);
  player = 0;
  setPlayIcon();
}
function setPlayIcon() {
  $('play-icon').setAttribute('d', player ? 'M6 4h3v12H6zM11 4h3v12h-3z' : 'M6 4l10 6-10 6z');
  $('play').setAttribute('aria-label', player ? 'Stop playing' : 'Play from the first byte');
}
/** Shows stop after stop; waits for each if it is to be fetched. */
function startPlaying() {
  const { opened } = page;
  const pause = Math.max(70, Math.min(700, 4200 / opened.stops.length));
  let next = 0;
  let busy = false;
  const step = async () => {
    if (busy || !player) return;
    if (next >= opened.stops.length) { stopPlaying(); return; }
    busy = true;
    await go(next);
    busy = false;
    next += 1;
  };
  player = setInterval(step, pause);
  step();
  setPlayIcon();
}
$('play').addEventListener('click', () => { if (player) stopPlaying(); else if (page) startPlaying(); });

// ---- beside the decoded image

function drawCompare() {
  const { opened, original } = page;
  const kinds = ['none', ...(opened.layers.better ? ['restored'] : []), ...(original ? ['original'] : [])];
  const box = $('compare');
  if (box.dataset.kinds !== kinds.join()) {
    box.dataset.kinds = kinds.join();
    const legend = box.querySelector('legend');
    box.replaceChildren(legend, ...kinds.map((kind) => {
      const label = make('label', kind === 'none' ? 'Decoded' : `+ ${kind}`);
      const input = make('input', '', { type: 'radio', name: 'beside', value: kind });
      input.checked = kind === page.beside;
      input.addEventListener('change', () => { page.beside = kind; drawCompare(); });
      label.prepend(input);
      return label;
    }));
  }
  box.hidden = kinds.length < 2;
  const beside = kinds.includes(page.beside) ? page.beside : 'none';
  for (const kind of ['restored', 'original']) $(kind).hidden = kind !== beside;
  for (const id of ['divider', 'left-tag', 'right-tag']) $(id).hidden = beside === 'none';
  $('right-tag').textContent = beside;
}

let share = 50;
function divide(value) {
  share = Math.max(0, Math.min(100, value));
  $('divider').style.left = `${share}%`;
  for (const kind of ['restored', 'original']) $(kind).style.clipPath = `inset(0 0 0 ${share}%)`;
  $('divider').setAttribute('aria-valuenow', String(Math.round(share)));
  $('divider').setAttribute('aria-valuetext', `${Math.round(share)} % decoded`);
}
$('divider').addEventListener('pointerdown', (event) => $('divider').setPointerCapture(event.pointerId));
$('divider').addEventListener('pointermove', (event) => {
  if (!$('divider').hasPointerCapture(event.pointerId)) return;
  const { left, width } = $('frame').getBoundingClientRect();
  divide(100 * (event.clientX - left) / width);
});
$('divider').addEventListener('keydown', (event) => {
  const step = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, Home: -100, End: 100, PageUp: 20, PageDown: -20 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  divide(share + step);
});

// ---- saving

/** What is to be seen as a canvas: cut to the object that is shown alone, with what is laid beside. */
function seen() {
  const { opened, space, alone: thing } = page;
  const { width, height, cols } = opened.info;
  let [left, top, right, bottom] = [0, 0, width, height];
  if (thing !== null) {
    const cells = [...page.cells];
    const columns = cells.map((cell) => cell % cols);
    [left, top] = [Math.min(...columns) * 16, Math.floor(Math.min(...cells) / cols) * 16];
    [right, bottom] = [Math.min(width, Math.max(...columns) * 16 + 16), Math.min(height, Math.floor(Math.max(...cells) / cols) * 16 + 16)];
  }
  const canvas = Object.assign(document.createElement('canvas'), { width: right - left, height: bottom - top });
  const context = canvas.getContext('2d', { colorSpace: space, willReadFrequently: true });
  const other = ['restored', 'original'].find((kind) => !$(kind).hidden);
  const edge = other ? Math.round(width * share / 100) : width;
  const draw = (source, from, past) => { if (past > from) context.drawImage(source, from, top, past - from, bottom - top, from - left, 0, past - from, bottom - top); };
  draw($('decoded'), left, Math.min(right, edge));
  if (other) draw($(other), Math.max(left, edge), right);
  return canvas;
}

async function save() {
  const { opened, space } = page;
  const blob = await new Promise((done) => { seen().toBlob(done, 'image/png'); });
  URL.revokeObjectURL(saved);
  saved = URL.createObjectURL(blob);
  const part = page.alone === null ? '' : `-${labelOf(opened.info.objects[page.alone]).replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 40)}`;
  const link = make('a', '', { href: saved, download: `${opened.source.name.replace(/\.sdc$/i, '')}${part}.png` });
  link.click();
  const lost = opened.info.profile ? 'The colour profile of the file is not in it, nor are EXIF and XMP.' : 'EXIF and XMP are not in it.';
  $('saved').textContent = `Saved as PNG in ${space === 'srgb' ? 'sRGB' : 'Display P3'}; what is not decoded is transparent. ${lost}`;
  $('saved').hidden = false;
  say($('saved').textContent);
}
$('download').addEventListener('click', save);

// ---- what is opened

/** Takes chosen or dropped files: a stream, an image for the original, models. */
async function take(files) {
  let stream = null;
  let original = null;
  for (const file of files) {
    if (/\.safetensors$/i.test(file.name)) {
      try {
        await engine;
        const number = await decoder.ask('model', { bytes: new Uint8Array(await file.arrayBuffer()) });
        if (number === null) showFault(new Error(`${file.name} is not a model of the registry`));
        else if (last) stream ??= last;
      } catch (error) { showFault(error); }
    } else if (file.type.startsWith('image/') && !/\.sdc$/i.test(file.name) && files.length > 1) original = createImageBitmap(file);
    else stream = file;
  }
  if (!stream) return;
  last = stream;
  open(new LocalFile(stream, stream.name), { original });
}

$('file').addEventListener('change', () => take([...$('file').files]).finally(() => { $('file').value = ''; }));
for (const type of ['dragover', 'dragleave', 'drop']) {
  addEventListener(type, (event) => {
    event.preventDefault();
    document.body.classList.toggle('dropping', type === 'dragover');
    if (type === 'drop') take([...event.dataTransfer.files]);
  });
}

function openAddress(url, options) {
  let source;
  try {
    source = new RemoteFile(url);
  } catch (error) {
    end(error);
    return;
  }
  $('address').value = source.url.href;
  open(source, options);
}
$('address-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const url = $('address').value.trim();
  if (!url) return;
  history.pushState(null, '', `?url=${encodeURIComponent(url)}`);
  openAddress(url, {});
});
addEventListener('popstate', () => location.reload());
addEventListener('resize', placeTicks);

async function openExample() {
  try {
    const answer = await fetch('example.sdc');
    if (!answer.ok) throw new Error(answer.statusText);
    await open(new LocalFile(await answer.blob(), 'astronaut.sdc'), { original: fetchOriginal('example.jpg'), play: true });
  } catch {
    end(new Error('the example could not be fetched'));
  }
}

$('starting').remove();
divide(50);
const original = asked.get('original');
if (asked.has('url')) {
  openAddress(asked.get('url'), { original: original ? fetchOriginal(original) : null, upto: asked.get('upto') });
} else openExample();
