// SPDX-License-Identifier: Apache-2.0
// Shows cells on a canvas and takes them away again.

const CELL = 16;

/** Pixels of groups as they were decoded, of which some cells are on a canvas. */
export class Layer {
  constructor(canvas, { width, height, cols, rows, map }, space) {
    Object.assign(canvas, { width, height });
    Object.assign(this, { canvas, width, height, cols, rows, map });
    this.context = canvas.getContext('2d', { willReadFrequently: true, colorSpace: space });
    this.context.clearRect(0, 0, width, height);
    this.image = new ImageData(width, height, { colorSpace: space });
    this.shown = new Uint8Array(map.length);
  }

  /** Takes the pixels of a group: RGBA of a rectangle, in which other groups are left alone. */
  put(group, { x, y, w, h }, pixels) {
    for (let top = y; top < y + h; top += CELL) {
      for (let left = x; left < x + w; left += CELL) {
        if (this.map[(top / CELL) * this.cols + left / CELL] !== group + 1) continue;
        const wide = Math.min(CELL, x + w - left);
        for (let row = top; row < Math.min(top + CELL, y + h); row++) {
          const from = ((row - y) * w + left - x) * 4;
          this.image.data.set(pixels.subarray(from, from + wide * 4), (row * this.width + left) * 4);
        }
      }
    }
  }

  /** Shows the cells for which `wanted(cell)` says so, and no others. */
  show(wanted) {
    for (let row = 0, cell = 0; row < this.rows; row++) {
      for (let col = 0; col < this.cols;) {
        const now = wanted(cell) ? 1 : 0;
        const changed = this.shown[cell] !== now;
        const first = col;
        while (col < this.cols && (wanted(cell) ? 1 : 0) === now && (this.shown[cell] !== now) === changed) {
          this.shown[cell] = now;
          col++;
          cell++;
        }
        if (changed) this.#strip(first * CELL, row * CELL, (col - first) * CELL, now);
      }
    }
  }

  #strip(x, y, wide, now) {
    const [w, h] = [Math.min(wide, this.width - x), Math.min(CELL, this.height - y)];
    if (now) this.context.putImageData(this.image, 0, 0, x, y, w, h);
    else this.context.clearRect(x, y, w, h);
  }
}

/** Colours the cells of a canvas with a pixel a cell: what the header alone says. */
export function drawMap(canvas, { cols, rows, map }, colourOf) {
  Object.assign(canvas, { width: cols, height: rows });
  const context = canvas.getContext('2d');
  const image = context.createImageData(cols, rows);
  map.forEach((label, cell) => { if (label) image.data.set(colourOf(label - 1), cell * 4); });
  context.putImageData(image, 0, 0);
}

/** The outline of an object as a path of SVG: along its mask, or else its box. */
export function outlineOf({ x, y, width, height, mask }) {
  if (!mask) return `M${x} ${y}h${width}v${height}h${-width}z`;
  const at = (row, col) => (row < 0 || col < 0 || row >= height || col >= width ? 0 : mask[row * width + col]);
  const parts = [];
  for (let row = 0; row <= height; row++) {
    for (let col = 0; col < width; col++) {
      const first = col;
      while (col < width && at(row, col) !== at(row - 1, col)) col++;
      if (col > first) parts.push(`M${x + first} ${y + row}h${col - first}`);
    }
  }
  for (let col = 0; col <= width; col++) {
    for (let row = 0; row < height; row++) {
      const first = row;
      while (row < height && at(row, col) !== at(row, col - 1)) row++;
      if (row > first) parts.push(`M${x + col} ${y + first}v${row - first}`);
    }
  }
  return parts.join('');
}

/** Whether a point of the image is on an object. */
export function covers({ x, y, width, height, mask }, px, py) {
  const [dx, dy] = [Math.floor(px) - x, Math.floor(py) - y];
  if (dx < 0 || dy < 0 || dx >= width || dy >= height) return false;
  return !mask || mask[dy * width + dx] === 1;
}

/** The cells of an object: those of its group that its mask, or else its box, touches. */
export function cellsOf({ group, x, y, width, height, mask }, { cols, map }) {
  const cells = new Set();
  const touch = (row, col) => {
    const cell = row * cols + col;
    if (map[cell] === group + 1) cells.add(cell);
  };
  if (mask) {
    mask.forEach((set, i) => { if (set) touch((y + Math.floor(i / width)) >> 4, (x + (i % width)) >> 4); });
    return cells;
  }
  for (let row = y >> 4; row <= (y + height - 1) >> 4; row++) for (let col = x >> 4; col <= (x + width - 1) >> 4; col++) touch(row, col);
  return cells;
}
