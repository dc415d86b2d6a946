// Where everything is: which rows and lanes are shown, and in which order. The height of a row is told
// in units of the scale, which the view turns into pixels.

/** What is drawn where, before any zoom. */
class Layout {
  /** @param {Trace} trace */
  constructor(trace) {
    const { lives, levels, processes } = trace.head;
    this.trace = trace;
    /** By wall clock, instead of one row an event. */
    this.raw = false;
    this.clock = trace.updates.length > 0;
    this.hiddenLives = new Uint8Array(lives.length);
    this.hiddenLevels = new Uint8Array(levels.length + 1);
    /** @type {((row: number) => boolean) | null} Which rows are shown besides. */
    this.only = null;
    // Lanes stand in the order in which processes appear, runs beside each other.
    const first = new Float64Array(processes.length).fill(Infinity);
    this.lives = rowsWhere(lives.length, (life) => lives[life].run > 0);
    for (const life of this.lives) first[lives[life].process] = min(first[lives[life].process], trace.ofLife[trace.lifeStart[life]]);
    this.lives.sort((a, b) => first[lives[a].process] - first[lives[b].process] || lives[a].run - lives[b].run);
    this.hasRuns = this.lives.some((life) => lives[life].runs > 1);
    this.folded = this.hasRuns && this.lives.length > 60;
    // A row of a life without any wall clock stands where the row above it does.
    this.walls = trace.shown.slice();
    for (let row = 0; row < trace.size; row++) if (isNaN(this.walls[row])) this.walls[row] = row ? this.walls[row - 1] : 0;
    this.hasWalls = trace.wall.some((wall) => !isNaN(wall));
    this.unit = new Float64Array(trace.size);
    /** The rows from top to bottom, and where they end. */
    this.rows = new Uint32Array(0);
    this.end = 0;
    /** @type {number[][]} The lives of each lane. */
    this.lanes = [];
    /** By life. */
    this.column = new Int32Array(lives.length);
    /** The units of each lane's rows from top to bottom, one lane behind the other. */
    this.laneUnits = new Float64Array();
    this.laneStart = ends(new Uint32Array());
    /** @type {Intervals | null} */
    this.intervals = null;
    this.rebuild();
  }

  /** After any of the settings above has changed. */
  rebuild() {
    const { trace, unit, column } = this, { lives } = trace.head, lanes = /** @type {number[][]} */ ([]);
    for (const life of this.lives.filter((life) => !this.hiddenLives[life])) {
      const last = lanes.at(-1);
      if (this.folded && last && lives[last[0]].process === lives[life].process) last.push(life);
      else lanes.push([life]);
      column[life] = lanes.length - 1;
    }
    const all = new Uint32Array(trace.size);
    let count = 0;
    for (let row = 0; row < trace.size; row++) {
      const isShown = this.isShown(row);
      // What is hidden lies between the rows around it, where its messages end.
      unit[row] = this.raw ? this.walls[row] : isShown ? count : count - 0.5;
      if (isShown) all[count++] = row;
    }
    const shown = all.subarray(0, count);
    this.rows = this.raw ? sortedOrder(Float64Array.from(shown, (row) => unit[row])).map((i) => shown[i]) : shown;
    this.end = this.raw ? max(1, unit[this.rows[count - 1]] || 0) : count;
    const counts = new Uint32Array(lanes.length);
    for (const row of shown) counts[column[trace.life[row]]]++;
    this.lanes = lanes;
    this.laneStart = ends(counts);
    this.laneUnits = new Float64Array(count);
    const next = this.laneStart.slice();
    for (const row of this.rows) this.laneUnits[next[column[trace.life[row]]]++] = unit[row];
    this.intervals = null;
  }

  /** @param {number} lane @returns {string} */
  laneName(lane) {
    const [life] = this.lanes[lane];
    return this.folded ? this.trace.head.processes[this.trace.head.lives[life].process] : this.trace.lifeName(life);
  }

  /** @param {number} unit @returns {number} How many rows stand above. */
  rowsAbove(unit) {
    return countWhile(this.rows.length, (i) => this.unit[this.rows[i]] < unit);
  }

  /** @param {number} row @returns {boolean} */
  isLane(row) {
    return !this.hiddenLives[this.trace.life[row]];
  }

  /** @param {number} row @returns {boolean} */
  isShown(row) {
    return this.isLane(row) && !this.hiddenLevels[this.trace.level[row]] && (!this.only || this.only(row));
  }

  /** @returns {Intervals} The messages, by where they begin and end. */
  crossings() {
    const { trace, unit } = this, count = trace.to.length;
    if (this.intervals) return this.intervals;
    const begins = new Float64Array(count), ends = new Float64Array(count);
    for (let edge = 0; edge < count; edge++) {
      const a = unit[trace.from[edge]], b = unit[trace.to[edge]];
      // A half below 0 is a hidden row above all others.
      begins[edge] = max(0, min(a, b));
      ends[edge] = max(a, b);
    }
    return (this.intervals = new Intervals(begins, ends));
  }
}
