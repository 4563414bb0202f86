// Masks of frames: COCO run lengths to pixels, and a bounded store of those that were seen.

const MOST_PIXELS = 2_500_000; // a 4K mask is drawn at half its size
const KEPT = 240;

/** "#rrggbb" as three numbers 0 to 255. */
function rgbOf(colour) {
  const value = Number.parseInt(colour.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** By which whole number a mask of this size is made smaller before it is drawn. */
const stepFor = (width, height) =>
  Math.max(1, Math.ceil(Math.sqrt((width * height) / MOST_PIXELS)));

/**
 * Write `label` into `labels` (row-major, one byte a pixel) wherever the mask is set.
 * @param {{size: [number, number], counts: number[]}} rle column-major, starting with zeros.
 * @param {number} step only each step-th row and column is kept.
 */
function paintRle(rle, labels, label, step = 1) {
  const [height, width] = rle.size;
  const across = Math.ceil(width / step);
  let position = 0;
  for (let run = 0; run < rle.counts.length; run += 1) {
    const length = rle.counts[run];
    if (run % 2 === 1) {
      let at = position;
      const end = position + length;
      while (at < end) {
        const column = Math.floor(at / height);
        const row = at - column * height;
        const last = Math.min(row + end - at, height); // exclusive, in this column
        if (column % step === 0) {
          const x = column / step;
          for (let y = Math.ceil(row / step); y * step < last; y += 1) {
            labels[y * across + x] = label;
          }
        }
        at += last - row;
      }
    }
    position += length;
  }
}

/**
 * Draw the masks of a frame into a canvas of its own.
 * @returns {HTMLCanvasElement|null} null where there is nothing to draw.
 */
export function drawMasks(masks, objects, size, look) {
  const shown = new Map(objects.filter((object) => object.visible).map((o) => [o.id, o]));
  const drawn = masks.objects.filter((mask) => mask.rle && mask.area > 0 && shown.has(mask.id));
  if (drawn.length === 0) return null;
  const step = stepFor(size.width, size.height);
  const width = Math.ceil(size.width / step);
  const height = Math.ceil(size.height / step);
  const labels = new Uint8Array(width * height);
  for (const mask of drawn) paintRle(mask.rle, labels, mask.id, step);

  const fill = Math.round(255 * look.opacity);
  const inks = new Uint32Array(256);
  const edges = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(4);
  const packed = new Uint32Array(bytes.buffer);
  for (const mask of drawn) {
    const [red, green, blue] = rgbOf(shown.get(mask.id).colour);
    bytes.set([red, green, blue, fill]);
    inks[mask.id] = packed[0];
    bytes.set([red, green, blue, look.contours ? (mask.id === look.selected ? 255 : 215) : fill]);
    edges[mask.id] = packed[0];
  }
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      const label = labels[at];
      if (label === 0) continue;
      const inside =
        x > 0 && labels[at - 1] === label &&
        x < width - 1 && labels[at + 1] === label &&
        y > 0 && labels[at - width] === label &&
        y < height - 1 && labels[at + width] === label;
      pixels[at] = inside ? inks[label] : edges[label];
    }
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** Which object's mask covers a pixel, the last drawn first; null where none does. */
export function objectAt(masks, x, y) {
  if (!masks) return null;
  for (const mask of [...masks.objects].reverse()) {
    if (!mask.rle || !mask.area) continue;
    const [height, width] = mask.rle.size;
    if (x < 0 || y < 0 || x >= width || y >= height) continue;
    const wanted = Math.floor(x) * height + Math.floor(y);
    let position = 0;
    for (let run = 0; run < mask.rle.counts.length; run += 1) {
      position += mask.rle.counts[run];
      if (wanted < position) {
        if (run % 2 === 1) return mask.id;
        break;
      }
    }
  }
  return null;
}

/** Masks by frame, least recently used forgotten first. */
export class MaskStore {
  #frames = new Map();

  get(frame) {
    const found = this.#frames.get(frame);
    if (found) {
      this.#frames.delete(frame);
      this.#frames.set(frame, found);
    }
    return found ?? null;
  }

  put(masks) {
    this.#frames.delete(masks.frame);
    this.#frames.set(masks.frame, masks);
    if (this.#frames.size > KEPT) this.#frames.delete(this.#frames.keys().next().value);
  }

  clear() {
    this.#frames.clear();
  }
}
