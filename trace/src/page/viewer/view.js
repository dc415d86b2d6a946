// What of the layout is visible, and how large. Time runs downwards: a line's text is as wide as lines
// are, and reads beside its event as in any log. In Lamport's figure, where time runs upwards, or turned
// to the right, there is no room for it.

const LINE = 15, OVERVIEW = 16;
const MONO = '12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace', SANS = "12px system-ui, sans-serif";

class View {
  #isAsked = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Trace} trace
   * @param {Layout} layout
   */
  constructor(canvas, trace, layout) {
    this.canvas = canvas;
    this.trace = trace;
    this.layout = layout;
    this.pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    /** The unit at the top, pixels of a unit, pixels that the lanes are scrolled, and a lane's width. */
    this.top = this.left = this.pitch = 0;
    /** Pixels: the canvas's size, a letter's, what the lanes' names take, and where things begin and end. */
    this.width = this.height = this.letter = this.head = this.gutter = this.lanesAt = this.lanesWidth = this.lanesEnd = this.textAt = this.textEnd = 0;
    this.scale = 24;
    /** Whether lanes are as wide as there is room. */
    this.isFitted = true;
    /** @type {{row: number, y: number}[]} The texts that are visible. */
    this.labels = [];
    /** @type {HTMLCanvasElement | null} */
    this.overview = null;
  }

  draw() {}

  /** Draws before the next frame. */
  ask() {
    if (!this.#isAsked)
      requestAnimationFrame(() => {
        this.#isAsked = false;
        this.draw();
      });
    this.#isAsked = true;
  }

  /** The canvas has another size, or the layout has changed. */
  resize() {
    const { canvas, pen, layout, trace } = this, ratio = devicePixelRatio, lanes = layout.lanes.length;
    this.width = canvas.clientWidth;
    this.height = canvas.clientHeight;
    canvas.width = this.width * ratio;
    canvas.height = this.height * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = MONO;
    this.letter = pen.measureText("0").width;
    const digits = layout.raw || !trace.size ? trace.clockTime(0).length : String(trace.time[trace.size - 1]).length;
    this.gutter = max(5, digits) * this.letter + 16;
    const room = (this.width - this.gutter) * 0.42;
    if (this.isFitted) this.pitch = min(130, max(16, room / max(1, lanes)));
    this.lanesAt = this.gutter + (layout.clock ? 56 : 0);
    this.lanesWidth = min(lanes * this.pitch, room);
    this.lanesEnd = this.lanesAt + this.lanesWidth;
    this.textAt = this.lanesEnd + 12;
    this.textEnd = this.width - OVERVIEW - 4;
    // Where there is little room, what is seen elsewhere is left out first.
    this.hasWalls = layout.hasWalls && this.textEnd - this.textAt > 480;
    this.hasNames = this.textEnd - this.textAt > 280;
    pen.font = SANS;
    const widest = max(0, ...layout.lanes.slice(0, 300).map((_, lane) => pen.measureText(layout.laneName(lane)).width));
    /** Names that are wider than a narrow lane are turned. */
    this.isTurned = widest > this.pitch - 8 && this.pitch < 90;
    this.head = this.isTurned ? min(150, widest + 20) : 36;
    this.overview = null;
    this.move(0, 0);
  }

  /** @param {number} dx Pixels. @param {number} dy Pixels. */
  move(dx, dy) {
    const { layout, scale } = this, margin = layout.raw ? 24 : 6, lowest = -margin / scale;
    const highest = max(lowest, layout.end + (margin - this.room()) / scale);
    this.top = min(highest, max(lowest, this.top + dy / scale));
    this.left = max(0, min(layout.lanes.length * this.pitch - this.lanesWidth, this.left + dx));
    this.ask();
  }

  /** @returns {number} The height below the lanes' names. */
  room() {
    return this.height - this.head;
  }

  /** @param {number} factor @param {number} at The height that stays where it is. */
  zoom(factor, at = this.head + this.room() / 2) {
    const unit = this.top + (at - this.head) / this.scale;
    this.scale = this.#allowed(this.scale * factor);
    this.top = unit - (at - this.head) / this.scale;
    this.move(0, 0);
  }

  /** @param {number} scale */
  #allowed(scale) {
    const all = (this.room() - 48) / max(1, this.layout.end), most = this.layout.raw ? max(200, all * 4) : 64;
    return min(most, max(min(all, 22), scale));
  }

  /** @param {number} factor Of a lane's width. */
  widen(factor) {
    this.isFitted = false;
    this.pitch = min(200, max(10, this.pitch * factor));
    this.resize();
  }

  /** The scale that a trace opens with: all of it where that can be read, else its beginning. */
  fit() {
    const { layout } = this, rows = max(1, layout.rows.length);
    const height = max(22, min(40, (this.room() - 48) / rows));
    this.scale = this.#allowed(layout.raw ? (rows * height) / layout.end : height);
    this.move(0, -1e300);
  }

  /** @param {number} row @returns {number} */
  y(row) {
    return this.yOf(this.layout.unit[row]);
  }

  /** @param {number} unit @returns {number} */
  yOf(unit) {
    return this.head + (unit + (this.layout.raw ? 0 : 0.5) - this.top) * this.scale;
  }

  /** @param {number} row @returns {number} */
  x(row) {
    return this.laneX(this.layout.column[this.trace.life[row]]);
  }

  /** @param {number} lane @returns {number} */
  laneX(lane) {
    return this.lanesAt + (lane + 0.5) * this.pitch - this.left;
  }

  /** Brings a row into view. @param {number} row */
  show(row) {
    const x = this.x(row) - this.lanesAt, y = this.y(row);
    if (y < this.head + 40 || y > this.height - 40) this.move(0, y - this.head - this.room() / 2);
    if (x < 0 || x > this.lanesWidth) this.move(x - this.lanesWidth / 2, 0);
  }

  /** @param {number} margin Units. @returns {[number, number]} Which rows are visible. */
  visible(margin = 24 / this.scale) {
    const { layout, top } = this;
    return [layout.rowsAbove(top - margin), layout.rowsAbove(top + this.room() / this.scale + margin)];
  }

  /** @returns {number} The first visible row, or -1. */
  first() {
    return this.layout.rows[this.visible(0)[0]] ?? -1;
  }

  /** @param {number} x @param {number} y @returns {number} The row there, or -1. */
  rowAt(x, y) {
    const { layout, scale } = this, isText = x >= this.textAt;
    if (y < this.head || x > this.textEnd) return -1;
    const label = isText && this.labels.find((label) => abs(label.y - y) <= LINE / 2);
    if (label) return label.row;
    let best = -1, least = 30;
    const [start, end] = this.visible();
    for (let i = start; i < min(end, start + 3000); i++) {
      const row = layout.rows[i], dy = abs(this.y(row) - y), dx = isText ? 0 : abs(this.x(row) - x);
      // A row of its own belongs to its event from one side to the other.
      const far = layout.raw || scale < 12 ? Math.hypot(dx, dy) : dy <= scale / 2 ? 0 : least;
      if (far < least) [best, least] = [row, far];
    }
    return best;
  }
}
