"use strict";
// What the page carries, unpacked: a header, columns of numbers with a row for each event, and texts.
// A row is an event, or a moment that only a message tells of: its line is missing ("implied").

const { max, min, floor, ceil, round, abs, cos, sin } = Math;
const KIND = 7, IMPLIED = 8, COMPLETE = 16, INVERTED = 32, GAP = 64, FIRST = 128;
const UPDATE = 3, READ = 4;
const KINDS = ["", "send", "receive", "update", "read"];

/**
 * @param {string} id Of an element that holds gzip in base64.
 * @returns {Promise<Uint8Array>}
 */
async function unpack(id) {
  const text = /** @type {HTMLElement} */ (document.getElementById(id)).textContent ?? "";
  // @ts-ignore: newer than the types of some editors.
  const packed = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Numbers of seven bits a byte, the lowest first. */
class Numbers {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  /** @returns {number} */
  next() {
    let byte = this.bytes[this.at++];
    if (byte < 128) return byte;
    let value = byte & 127, factor = 128;
    do {
      byte = this.bytes[this.at++];
      value += (byte & 127) * factor;
      factor *= 128;
    } while (byte > 127);
    return value;
  }

  /** @returns {number} One that may be below 0. */
  signed() {
    const value = this.next();
    return value % 2 ? -(value + 1) / 2 : value / 2;
  }
}

/**
 * @typedef {{process: number, instance: string, run: number, runs: number, step: number}} Life
 * @typedef {{rows: number, edges: number, begin: string, unit: number, chunk: number,
 *   processes: string[], lives: Life[], sources: string[], levels: string[], lanes: string[],
 *   counts: Record<string, number>}} Head
 * @typedef {{text: string, starts: Uint32Array}} Chunk
 */

/** Everything that was read, by row. */
class Trace {
  /** @returns {Promise<Trace>} */
  static async read() {
    const head = JSON.parse(new TextDecoder().decode(await unpack("head")));
    return new Trace(head, new Numbers(await unpack("columns")));
  }

  /**
   * @param {Head} head
   * @param {Numbers} numbers
   */
  constructor(head, numbers) {
    const n = head.rows;
    this.head = head;
    this.size = n;
    let time = 0;
    this.time = filled(new Float64Array(n), () => (time += numbers.next()));
    this.life = filled(new Uint32Array(n), () => numbers.next());
    // The wall clock in units since the earliest; NaN where a line has none.
    const walls = new Float64Array(head.lives.length);
    this.wall = filled(new Float64Array(n), (row) => {
      const said = numbers.next(), life = this.life[row];
      return said ? (walls[life] += said % 2 ? (said - 1) / 2 : -said / 2) : NaN;
    });
    // Where a line has none, or is missing, at least what the one before it in its life shows.
    const newest = walls.fill(NaN);
    this.shown = this.wall.map((wall, row) => {
      const life = this.life[row];
      return isNaN(wall) ? newest[life] : (newest[life] = wall);
    });
    this.source = filled(new Uint32Array(n), () => numbers.next());
    const lines = new Float64Array(head.sources.length + 1);
    this.line = filled(new Uint32Array(n), (row) => (lines[this.source[row]] += numbers.signed()));
    this.flags = filled(new Uint8Array(n), () => numbers.next());
    this.level = filled(new Uint8Array(n), () => numbers.next());
    this.lane = filled(new Uint32Array(n), () => numbers.next());
    // Messages, by the row that they lead to; where those of a row begin and end, also by their senders.
    this.inStart = ends(filled(new Uint32Array(n), () => numbers.next()));
    this.from = new Uint32Array(head.edges);
    this.to = new Uint32Array(head.edges);
    const sent = new Uint32Array(n);
    for (let row = 0; row < n; row++) {
      for (let edge = this.inStart[row]; edge < this.inStart[row + 1]; edge++) {
        this.to[edge] = row;
        sent[(this.from[edge] = row - numbers.next())]++;
      }
    }
    this.outStart = ends(sent);
    this.out = new Uint32Array(head.edges);
    const next = this.outStart.slice();
    this.from.forEach((row, edge) => (this.out[next[row]++] = edge));
    // The rows of each life in order, one life behind the other.
    const lived = new Uint32Array(head.lives.length);
    for (const life of this.life) lived[life]++;
    this.lifeStart = ends(lived);
    const place = this.lifeStart.slice();
    this.rank = this.life.map((life) => place[life]++);
    this.ofLife = new Uint32Array(n);
    this.rank.forEach((rank, row) => (this.ofLife[rank] = row));
    /** The rows of updates in order: the shared clock's lane. */
    this.updates = rowsWhere(n, (row) => (this.flags[row] & KIND) === UPDATE);
    /** @type {(Chunk | Promise<Chunk> | undefined)[]} */
    this.chunks = [];
  }

  /** @param {number} row @returns {number} The row before in its life, or -1. */
  before(row) {
    return this.rank[row] > this.lifeStart[this.life[row]] ? this.ofLife[this.rank[row] - 1] : -1;
  }

  /** @param {number} row @returns {number} The row behind in its life, or -1. */
  after(row) {
    return this.rank[row] + 1 < this.lifeStart[this.life[row] + 1] ? this.ofLife[this.rank[row] + 1] : -1;
  }

  /** @param {number} row @returns {number[]} Where messages to it were sent. */
  causes(row) {
    return [...this.from.subarray(this.inStart[row], this.inStart[row + 1])];
  }

  /** @param {number} row @returns {number[]} Where messages from it arrived. */
  effects(row) {
    return [...this.out.subarray(this.outStart[row], this.outStart[row + 1])].map((edge) => this.to[edge]);
  }

  /** @param {number} row @param {number} by 1 or -1 @returns {number} The next or last update of the shared clock, or -1. */
  update(row, by) {
    if ((this.flags[row] & KIND) !== UPDATE) return -1;
    return this.updates[firstNotBelow(this.updates, row) + by] ?? -1;
  }

  /** @param {number} edge @returns {number} By how much a message arrives before it was sent, in units; 0: it does not. */
  backwards(edge) {
    const by = this.shown[this.from[edge]] - this.wall[this.to[edge]];
    // A wall clock that is written in whole steps hides the rest of the last one.
    return by > 0 && by * this.head.unit >= this.head.lives[this.life[this.to[edge]]].step ? by : 0;
  }

  /** @param {number} row @returns {number} By how much it lies before one of its causes, in units, and by whose clock. */
  inversion(row) {
    let worst = 0;
    for (let edge = this.inStart[row]; edge < this.inStart[row + 1]; edge++) worst = max(worst, this.backwards(edge));
    const before = this.before(row);
    return before < 0 ? worst : max(worst, this.shown[before] - this.wall[row] || 0);
  }

  /** @param {number} life @returns {string} */
  lifeName(life) {
    const { process, run, runs } = this.head.lives[life];
    return this.head.processes[process] + (runs > 1 ? ` run ${run}` : "");
  }

  /** @param {number} row @returns {string} */
  process(row) {
    return this.head.processes[this.head.lives[this.life[row]].process];
  }

  /** @param {number} row @returns {string} As it stands in logs. */
  stamp(row) {
    return `${this.time[row]}@${this.process(row)}`;
  }

  /** @param {number} row @returns {string} */
  levelName(row) {
    return this.head.levels[this.level[row] - 1] ?? "";
  }

  /** @param {number} chunk @returns {Promise<Chunk>} */
  async load(chunk) {
    this.chunks[chunk] ??= (async () => {
      const text = new TextDecoder().decode(await unpack(`text${chunk}`));
      const rows = min(this.head.chunk, this.size - chunk * this.head.chunk);
      const starts = new Uint32Array(rows + 1);
      for (let row = 0, at = 0; row < rows; row++) starts[row + 1] = at = text.indexOf("\u0001", at) + 1;
      return (this.chunks[chunk] = { text, starts });
    })();
    return this.chunks[chunk];
  }

  /** @param {number} row @returns {string | undefined} Its text, if that is unpacked already. */
  textNow(row) {
    const chunk = this.chunks[floor(row / this.head.chunk)];
    if (!chunk || chunk instanceof Promise) return undefined;
    const at = row % this.head.chunk;
    return chunk.text.slice(chunk.starts[at], chunk.starts[at + 1] - 1);
  }

  /** @param {number} row @returns {Promise<string>} */
  async text(row) {
    await this.load(floor(row / this.head.chunk));
    return this.textNow(row) ?? "";
  }

  /** @param {number} units @returns {string} A wall clock's time, UTC: `12:00:00.006`. */
  clockTime(units) {
    return this.fullTime(units).slice(11, -1);
  }

  /** @param {number} units @returns {string} With the day. */
  fullTime(units) {
    const { begin, unit } = this.head;
    const at = BigInt(begin) + BigInt(round(units)) * BigInt(unit);
    const second = 1_000_000_000n, rest = ((at % second) + second) % second;
    const date = new Date(Number((at - rest) / 1_000_000n)).toISOString().slice(0, 19);
    const digits = unit >= 1e9 ? 0 : unit >= 1e6 ? 3 : unit >= 1e3 ? 6 : 9;
    return date + (digits ? "." + String(rest).padStart(9, "0").slice(0, digits) : "") + "Z";
  }

  /** @param {number} units @returns {string} As people say it: `6.2 ms`. */
  duration(units) {
    const ns = units * this.head.unit;
    for (const [size, name] of /** @type {[number, string][]} */ ([[3600e9, "h"], [60e9, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"]])) {
      if (ns >= size) return `${Number((ns / size).toPrecision(3))} ${name}`;
    }
    return `${ns} ns`;
  }
}

/** @template {Uint8Array | Uint32Array | Float64Array} T @param {T} array @param {(i: number) => number} value @returns {T} Faster than `from`. */
function filled(array, value) {
  for (let i = 0; i < array.length; i++) array[i] = value(i);
  return array;
}

/** @param {Uint32Array} counts @returns {Uint32Array} Where each begins if they lie behind each other, and the end of all. */
function ends(counts) {
  let end = 0;
  return filled(new Uint32Array(counts.length + 1), (i) => (i ? (end += counts[i - 1]) : 0));
}

/** @param {number} n @param {(row: number) => boolean} holds @returns {number[]} */
function rowsWhere(n, holds) {
  const rows = [];
  for (let row = 0; row < n; row++) if (holds(row)) rows.push(row);
  return rows;
}

/** @param {number} n @param {(i: number) => boolean} holds @returns {number} For how many it holds: the first ones, and no other. */
function countWhile(n, holds, start = 0) {
  while (start < n) {
    const middle = (start + n) >> 1;
    if (holds(middle)) start = middle + 1;
    else n = middle;
  }
  return start;
}

/** @param {ArrayLike<number>} sorted @param {number} bound @returns {number} The index of the first that is not below it. */
function firstNotBelow(sorted, bound, start = 0, end = sorted.length) {
  return countWhile(end, (i) => sorted[i] < bound, start);
}
