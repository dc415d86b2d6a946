// What led to an event and what followed from it, and which messages cross a stretch of the picture.

/** How many steps away a row is that is not in a cone. */
const OUTSIDE = 255;

/**
 * The lines that led to one and that followed from it, by steps. A step is a line at which something
 * arrived: one step back from it leads to what was sent to it, and to what its own process did before.
 * Lines between two arrivals are no step apart.
 *
 * @param {Trace} trace
 * @param {number} chosen
 * @param {number} most Steps.
 * @returns {{steps: Uint8Array, before: number, after: number}} How many steps away each row is, and
 *   how many rows lie before and after the chosen one.
 */
function cone(trace, chosen, most) {
  const steps = new Uint8Array(trace.size).fill(OUTSIDE);
  /** @param {number} row */
  const arrives = (row) => trace.inStart[row + 1] > trace.inStart[row];

  /** @param {(row: number, near: number[], far: number[]) => void} expand */
  const walk = (expand) => {
    let count = -1, near = [chosen];
    for (let step = 0; step <= most && near.length; step++) {
      /** @type {number[]} */
      const far = [];
      while (near.length) {
        const row = /** @type {number} */ (near.pop());
        if (steps[row] !== OUTSIDE && (row !== chosen || count >= 0)) continue;
        steps[row] = min(step, OUTSIDE - 1);
        count++;
        expand(row, near, far);
      }
      near = far;
    }
    return count;
  };

  const before = walk((row, near, far) => {
    const last = trace.before(row), isArrival = arrives(row);
    if (last >= 0) (isArrival ? far : near).push(last);
    for (let edge = trace.inStart[row]; edge < trace.inStart[row + 1]; edge++) far.push(trace.from[edge]);
  });
  const after = walk((row, near, far) => {
    const next = trace.after(row);
    if (next >= 0) (arrives(next) ? far : near).push(next);
    for (let i = trace.outStart[row]; i < trace.outStart[row + 1]; i++) far.push(trace.to[trace.out[i]]);
  });
  return { steps, before, after };
}

/**
 * The order of numbers that are not below 0. Their bits sort as they do, so this counts 16 bits at a
 * time: a million in some milliseconds, where a comparison for each takes a second.
 *
 * @param {Float64Array} keys
 * @returns {Uint32Array}
 */
function sortedOrder(keys) {
  const words = new Uint16Array(keys.buffer, keys.byteOffset, keys.length * 4);
  let order = Uint32Array.from(keys, (_, i) => i), other = new Uint32Array(keys.length);
  for (let word = 0; word < 4; word++) {
    const next = new Uint32Array(65537);
    for (let i = word; i < words.length; i += 4) next[words[i] + 1]++;
    if (next.includes(keys.length)) continue;
    for (let i = 0; i < 65536; i++) next[i + 1] += next[i];
    for (const i of order) other[next[words[i * 4 + word]]++] = i;
    [order, other] = [other, order];
  }
  return order;
}

/** So many messages share a furthest end. */
const BLOCK = 16;

/** Finds the messages that cross a stretch: sorted by where they begin, with the furthest end of each block. */
class Intervals {
  /**
   * @param {Float64Array} begins Not below 0.
   * @param {Float64Array} ends
   */
  constructor(begins, ends) {
    this.order = sortedOrder(begins);
    this.begins = begins;
    this.ends = ends;
    let leaves = 1;
    while (leaves * BLOCK < begins.length) leaves *= 2;
    this.leaves = leaves;
    this.furthest = new Float64Array(leaves * 2).fill(-1);
    this.order.forEach((edge, i) => {
      const leaf = leaves + floor(i / BLOCK);
      this.furthest[leaf] = max(this.furthest[leaf], ends[edge]);
    });
    for (let node = leaves - 1; node > 0; node--) {
      this.furthest[node] = max(this.furthest[node * 2], this.furthest[node * 2 + 1]);
    }
  }

  /** @param {number} bound @returns {number} How many begin before it. */
  #beginBefore(bound) {
    return countWhile(this.order.length, (i) => this.begins[this.order[i]] < bound);
  }

  /**
   * @param {number} from
   * @param {number} to
   * @param {number} most
   * @returns {number[]} Those that cross the stretch, at most so many: those that began long before are left out first.
   */
  crossing(from, to, most) {
    const count = this.#beginBefore(to), found = /** @type {number[]} */ ([]), nodes = [1];
    while (nodes.length && found.length < most) {
      const node = /** @type {number} */ (nodes.pop());
      let leaf = node;
      while (leaf < this.leaves) leaf *= 2;
      if (this.furthest[node] < from || (leaf - this.leaves) * BLOCK >= count) continue;
      if (node < this.leaves) {
        nodes.push(node * 2, node * 2 + 1);
        continue;
      }
      const start = (leaf - this.leaves) * BLOCK;
      for (let i = start; i < min(start + BLOCK, count); i++) {
        if (this.ends[this.order[i]] >= from) found.push(this.order[i]);
      }
    }
    return found;
  }

  /** @param {number} from @param {number} to @param {number} most @returns {number[]} Of those that begin there, evenly at most so many. */
  sample(from, to, most) {
    const start = this.#beginBefore(from), end = this.#beginBefore(to), found = [];
    const step = max(1, (end - start) / most);
    for (let at = start; at < end; at += step) found.push(this.order[floor(at)]);
    return found;
  }
}
