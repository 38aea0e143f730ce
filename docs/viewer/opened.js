// SPDX-License-Identifier: Apache-2.0
// An open stream: what is known of it, which of its bytes are here, and what of it is decoded.
import { Extents } from './extents.js';
import { LEVELS } from './words.js';

export class Opened {
  /** `onChange()` is called whenever more is known or decoded; `onFault(fault)` for what does not end it. */
  constructor(source, decoder, { onChange, onFault }) {
    // time: milliseconds of decoding, without waiting for bytes and models
    Object.assign(this, { source, decoder, onChange, onFault, info: null, time: 0, layers: null });
    this.got = new Extents();
    this.decoded = new Set();
    this.queue = Promise.resolve();
  }

  /** Reads the header with the group map, and in a file that is here all else. */
  async begin() {
    const { bytes, total } = await this.source.first();
    this.got.add(0, bytes.length);
    const { length } = bytes;
    this.info = await this.decoder.ask('open', { bytes, total }, [bytes.buffer]);
    if (this.info.need) await this.#fetch(length, this.info.need);
    this.#take(this.info);
  }

  #take(info) {
    this.info = info;
    const { groups, place, total } = info;
    this.stops = [{ count: 0, bytes: Math.min(place, total), level: null }];
    for (const g of groups) {
      if (g.size > 0) this.stops.push({ count: g.index + 1, bytes: Math.min(g.offset + g.size, total), level: g.level });
      else if (this.stops.length > 1) this.stops[this.stops.length - 1].count = g.index + 1;
    }
    this.levels = LEVELS.filter((level) => this.stops.some((stop) => stop.level === level));
    this.onChange();
  }

  async #fetch(from, past) {
    const bytes = await this.source.range(from, past);
    this.got.add(from, past);
    this.info = await this.decoder.ask('put', { offset: from, bytes }, [bytes.buffer]);
  }

  /** The number of the last stop of a level. */
  stopOf(level) { return this.stops.findLastIndex((stop) => stop.level === level); }

  /** Fetches and decodes groups, one call after the other; what is here already costs nothing. */
  ensure(groups, onGroup = () => {}) {
    const work = this.queue.then(() => this.#ensure(groups, onGroup));
    this.queue = work.catch(() => {});
    return work;
  }

  async #ensure(groups, onGroup) {
    const wanted = groups.filter((k) => this.info.groups[k].size > 0 && !this.decoded.has(k));
    if (!wanted.length) return;
    await this.#fetchGroups(wanted);
    const { faults, milliseconds } = await this.decoder.ask('prepare', { groups: wanted });
    faults.forEach(this.onFault);
    this.time += milliseconds;
    for (const k of wanted) {
      const found = await this.decoder.ask('pixels', { group: k });
      this.decoded.add(k);
      if (found) {
        this.time += found.milliseconds;
        this.layers.decoded.put(k, found.box, found.pixels);
        if (found.restored) this.layers.restored().put(k, found.box, found.restored);
      }
      onGroup(k);
    }
    this.onChange();
  }

  /** One range for all groups that are neighbours in the file, with what stands in front of the first. */
  async #fetchGroups(wanted) {
    const { groups, header, place, total } = this.info;
    const spans = wanted.map((k) => [groups[k].offset, Math.min(groups[k].offset + groups[k].size, total)]);
    if (place > header) spans.unshift([header, Math.min(place, total)]);
    const missing = spans.filter(([from, past]) => !this.got.has(from, past));
    const merged = [];
    for (const [from, past] of missing) {
      const last = merged[merged.length - 1];
      if (last && last[1] === from) last[1] = past;
      else merged.push([this.got.reach(from), past]);
    }
    for (const [from, past] of merged) await this.#fetch(from, past);
    if (merged.length) this.#take(this.info);
  }

  /** Fetches what stands behind the groups: objects and the like. */
  describe() {
    const work = this.queue.then(async () => {
      const { past, total } = this.info;
      if (past >= total || this.got.has(past, total)) return;
      await this.#fetch(this.got.reach(past), total);
      this.#take(this.info);
    });
    this.queue = work.catch(() => {});
    return work;
  }
}
