// SPDX-License-Identifier: Apache-2.0
/** Parts of a file that are there, and whether a stretch of bytes is. */
export class Extents {
  constructor() { this.list = []; }

  add(from, past) {
    const apart = this.list.filter(([a, b]) => b < from || a > past);
    const touched = this.list.filter(([a, b]) => b >= from && a <= past);
    apart.push([Math.min(from, ...touched.map(([a]) => a)), Math.max(past, ...touched.map(([, b]) => b))]);
    this.list = apart;
  }

  has(from, past) { return from >= past || this.list.some(([a, b]) => a <= from && b >= past); }

  /** Where what is missing begins, from a place on. */
  reach(from) { return this.list.find(([a, b]) => a <= from && b > from)?.[1] ?? from; }
}
