// The canvas. It draws what is visible and nothing else, so a frame costs the same however long the
// trace is.

/** Rows lower than this become a density. */
const DENSE = 4;
/** A frame draws at most so many messages. */
const MOST_MESSAGES = 1000;
const COLOURS = ["ground", "raised", "ink", "dim", "line", "edge", "red", "accent", "chosen", "found", "clock"];
const HUES = 8;

class Picture extends View {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Trace} trace
   * @param {Layout} layout
   */
  constructor(canvas, trace, layout) {
    super(canvas, trace, layout);
    this.chosen = this.hovered = -1;
    /** The first visible lane, and the one behind the last. */
    this.lanes = [0, 0];
    /** @type {Record<string, string>} */
    this.colours = {};
    /** @type {string[]} */
    this.hues = [];
    /** @type {Uint8Array | null} How many steps from the chosen row each is. */
    this.steps = null;
    /** @type {Uint8Array | null} A 1 for each row that a search found. */
    this.found = null;
    this.nameLength = trace.head.lives.reduce((most, _, life) => min(18, max(most, trace.lifeName(life).length)), 4);
    this.byLength = trace.flags.some((flags) => flags & INVERTED) ? 10 : 0;
    this.readColours();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const named = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`);
    this.colours = Object.fromEntries(COLOURS.map((name) => [name, named(name)]));
    this.hues = Array.from({ length: HUES }, (_, i) => named(`hue${i}`));
    this.overview = null;
    this.ask();
  }

  draw() {
    if (!this.width || !this.height) return;
    const { pen, colours, layout, lanesAt, lanesWidth } = this, [start, end] = this.visible();
    const part = (/** @type {number} */ x, /** @type {number} */ width, /** @type {(start: number, end: number) => void} */ paint, y = this.head) => {
      pen.save();
      pen.beginPath();
      pen.rect(x, y, width, this.height);
      pen.clip();
      paint.call(this, start, end);
      pen.restore();
    };
    this.labels = [];
    this.isDense = end - start > this.room() / DENSE;
    this.lanes = [floor(this.left / this.pitch), min(layout.lanes.length, ceil((this.left + lanesWidth) / this.pitch))];
    pen.textBaseline = "middle";
    this.#ink(colours.ground);
    pen.fillRect(0, 0, this.width, this.height);
    pen.font = MONO;
    if (!this.isDense) part(0, this.textEnd, this.#drawTexts);
    part(0, this.width, this.#drawAxis);
    part(lanesAt, lanesWidth, this.#drawLanes);
    part(lanesAt, lanesWidth, this.#drawMessages);
    if (layout.clock) part(this.gutter, this.lanesEnd - this.gutter, this.#drawClock);
    part(lanesAt, lanesWidth, this.isDense ? this.#drawDensity : this.#drawMarks);
    this.#drawHead(end - start);
    part(lanesAt, lanesWidth, this.#drawNames, 0);
    this.#drawOverview();
  }

  /** @param {string} colour @param {number} [alpha] @param {number} [width] @param {number[]} [dash] */
  #ink(colour, alpha = 1, width = 1, dash = []) {
    const { pen } = this;
    pen.strokeStyle = pen.fillStyle = colour;
    pen.globalAlpha = alpha;
    pen.lineWidth = width;
    pen.setLineDash(dash);
  }

  /** @param {number[]} points x and y of each. */
  #path(...points) {
    this.pen.beginPath();
    for (let i = 0; i < points.length; i += 2) this.pen.lineTo(points[i], points[i + 1]);
  }

  /** @param {number[]} points */
  #line(...points) {
    this.#path(...points);
    this.pen.stroke();
  }

  /** @param {number} x @param {number} y @param {number} size */
  #diamond(x, y, size) {
    this.#path(x, y - size, x + size, y, x, y + size, x - size, y);
    this.pen.closePath();
  }

  /** @param {string} text @param {number} x @param {number} y @param {string} colour @param {CanvasTextAlign} [align] */
  #write(text, x, y, colour, align = "left") {
    this.pen.fillStyle = colour;
    this.pen.textAlign = align;
    this.pen.fillText(text, x, y);
  }

  /** @param {number} row @returns {boolean} Whether it is out of the chosen row's cone. */
  isDimmed(row) {
    return this.steps?.[row] === OUTSIDE;
  }

  /** @param {number} life @returns {string} */
  hue(life) {
    return this.hues[this.trace.head.lives[life].process % HUES];
  }

  /** @returns {number} Of a mark. */
  radius() {
    return max(1.5, min(22, this.layout.raw ? 22 : this.scale, this.pitch) * 0.25);
  }

  /** @param {number} unit @returns {number} What lies out of view may lie anywhere there. */
  #near(unit) {
    return min(this.height + 9, max(this.head - 9, this.yOf(unit)));
  }

  #drawLanes() {
    const { layout } = this, [first, last] = this.lanes;
    for (let lane = first; lane < last; lane++) {
      const [from, to] = [layout.laneStart[lane], layout.laneStart[lane + 1]], x = round(this.laneX(lane));
      if (from === to) continue;
      this.#ink(this.hue(layout.lanes[lane][0]), this.steps ? 0.25 : 0.55, this.pitch > 30 ? 1.5 : 1);
      this.#line(x, this.#near(layout.laneUnits[from]), x, this.#near(layout.laneUnits[to - 1]));
    }
  }

  /** For each lane how many rows lie at a height: as wide as their share. */
  #drawDensity() {
    const { layout, pen } = this, step = 3, bars = [], [first, last] = this.lanes;
    let most = 1;
    for (let lane = first; lane < last; lane++) {
      const end = layout.laneStart[lane + 1];
      let at = firstNotBelow(layout.laneUnits, this.top, layout.laneStart[lane], end);
      for (let y = floor(this.head); y < this.height && at < end; y += step) {
        const next = firstNotBelow(layout.laneUnits, this.top + (y + step - this.head) / this.scale, at, end);
        if (next > at) bars.push([lane, y, next - at]);
        most = max(most, next - at);
        at = next;
      }
    }
    for (const [lane, y, count] of bars) {
      const width = max(1.5, Math.sqrt(count / most) * min(this.pitch * 0.8, 90));
      this.#ink(this.hue(layout.lanes[lane][0]), this.steps ? 0.3 : 0.85);
      pen.fillRect(this.laneX(lane) - width / 2, y, width, step);
    }
  }

  #drawMessages() {
    const { colours, layout, trace, isDense, lanesAt } = this, end = this.top + this.room() / this.scale, index = layout.crossings();
    const messages = isDense ? index.sample(this.top, end, 600) : index.crossing(this.top - 1, end + 1, MOST_MESSAGES);
    /** @type {number[][]} Those that are not lit, red and not lit, the others, lit, red. */
    const groups = [[], [], [], [], []];
    for (const edge of messages) {
      const from = trace.from[edge], to = trace.to[edge], [a, b] = [this.x(from), this.x(to)];
      if (!layout.isLane(from) || !layout.isLane(to) || max(a, b) < lanesAt || min(a, b) > this.lanesEnd) continue;
      const isNear = this.hovered === from || this.hovered === to, isDimmed = !isNear && (this.isDimmed(from) || this.isDimmed(to));
      groups[trace.backwards(edge) ? (isDimmed ? 1 : 4) : isDimmed ? 0 : this.steps || isNear ? 3 : 2].push(edge);
    }
    const alpha = isDense ? 0.3 : 1, hasHeads = !isDense && messages.length < MOST_MESSAGES, dash = hasHeads ? [6, 3] : [];
    this.#drawEdges(groups[0], false, colours.edge, 0.22 * alpha);
    this.#drawEdges(groups[1], false, colours.red, 0.35 * alpha, 1.25, dash);
    this.#drawEdges(groups[2], hasHeads, colours.edge, alpha, 1.25);
    this.#drawEdges(groups[3], hasHeads, colours.ink, alpha, 1.5);
    this.#drawEdges(groups[4], hasHeads, colours.red, isDense ? 0.5 : 1, 2, dash);
  }

  /**
   * @param {number[]} edges
   * @param {boolean} hasHeads
   * @param {string} colour
   * @param {number} alpha
   * @param {number} [width]
   * @param {number[]} [dash]
   */
  #drawEdges(edges, hasHeads, colour, alpha, width, dash) {
    const { pen, trace } = this;
    const ends = edges.map((edge) => [trace.from[edge], trace.to[edge]].flatMap((row) => [this.x(row), this.y(row)]));
    this.#ink(colour, alpha, width, dash);
    pen.beginPath();
    for (const [x1, y1, x2, y2] of ends) {
      pen.moveTo(x1, y1);
      // Runs that share a lane send to each other around it.
      if (x1 === x2) pen.quadraticCurveTo(x1 + min(30, this.pitch * 0.6), (y1 + y2) / 2, x2, y2);
      else pen.lineTo(x2, y2);
    }
    pen.stroke();
    if (!hasHeads) return;
    for (const [x1, y1, x2, y2] of ends) {
      const angle = Math.atan2(y2 - y1, x2 - x1), points = [];
      for (const [length, turn] of [[0, 0], [9, -0.42], [9, 0.42]]) {
        const far = this.radius() + 1;
        points.push(x2 - far * cos(angle) - length * cos(angle + turn), y2 - far * sin(angle) - length * sin(angle + turn));
      }
      this.#path(...points);
      pen.fill();
    }
  }

  /** @param {number} start @param {number} end */
  #drawMarks(start, end) {
    const { pen, colours, layout, trace } = this, radius = this.radius();
    for (let i = start; i < end; i++) {
      const row = layout.rows[i], flags = trace.flags[row], kind = flags & KIND, life = trace.life[row], x = this.x(row), y = this.y(row);
      if (x < this.lanesAt - 8 || x > this.lanesEnd + 8) continue;
      const hue = flags & INVERTED ? colours.red : this.hue(life), alpha = this.isDimmed(row) ? 0.3 : 1, before = trace.before(row);
      if (flags & GAP) {
        // Lines are missing before it: its lane is broken there.
        const from = before < 0 ? y - 22 : this.#near(layout.unit[before]);
        this.#ink(colours.ground, 1, 4);
        this.#line(x, from + radius, x, y - radius);
        this.#ink(hue, alpha, 1.5, [1.5, 4]);
        pen.stroke();
      }
      this.#ink(hue, alpha, 1.5, flags & IMPLIED ? [2, 2] : []);
      // Here a run begins.
      if (before < 0 && (flags & FIRST || trace.head.lives[life].run > 1)) pen.fillRect(x - radius * 1.8, y - radius - 3.5, radius * 3.6, 2);
      if (kind === UPDATE || kind === READ) this.#diamond(x, y, radius * 1.25);
      else {
        pen.beginPath();
        pen.arc(x, y, radius, 0, 7);
      }
      if (flags & IMPLIED || kind === READ) {
        pen.fillStyle = colours.ground;
        pen.fill();
        pen.stroke();
      } else pen.fill();
      if (row !== this.chosen) continue;
      this.#ink(colours.ink, 1, 2);
      pen.beginPath();
      pen.arc(x, y, radius + 3.5, 0, 7);
      pen.stroke();
    }
  }

  /** The shared clock's lane, and which event took a time from it. @param {number} start @param {number} end */
  #drawClock(start, end) {
    const { pen, colours, layout, trace } = this, { updates } = trace, x = round(this.gutter + 28);
    const units = [updates[0], updates[updates.length - 1]].map((row) => this.#near(layout.unit[row]));
    this.#ink(colours.clock, this.steps ? 0.4 : 0.9, 2.5);
    this.#line(x, units[0], x, units[1]);
    for (let i = start; i < end && !this.isDense; i++) {
      const row = layout.rows[i], y = this.y(row);
      if ((trace.flags[row] & KIND) !== UPDATE) continue;
      this.#ink(colours.clock, this.isDimmed(row) ? 0.25 : 1, 1, [2, 3]);
      this.#line(x, y, max(this.lanesAt, this.x(row)), y);
      this.#diamond(x, y, this.radius() * 1.2);
      pen.fill();
    }
  }

  /** To the left: logical times, or what the wall clocks show. @param {number} start @param {number} end */
  #drawAxis(start, end) {
    const { pen, colours, layout, trace, gutter } = this, { begin, unit } = trace.head;
    this.#ink(colours.dim);
    if (!layout.raw) {
      const every = max(1, ceil((LINE + 2) / this.scale));
      for (let i = ceil(start / every) * every; i < end; i += every) {
        const row = layout.rows[i];
        pen.globalAlpha = this.isDimmed(row) ? 0.4 : 1;
        this.#write(String(trace.time[row]), gutter - 8, this.y(row), colours.dim, "right");
      }
      return;
    }
    const least = 60 / this.scale, power = 10 ** floor(Math.log10(least));
    const step = max(1, round(([1, 2, 5].find((n) => n * power >= least) ?? 10) * power));
    // At round times, whenever the trace begins.
    const past = Number((BigInt(begin) / BigInt(unit)) % BigInt(step));
    for (let at = ceil((max(0, this.top) + past) / step) * step - past; this.yOf(at) < this.height && at <= layout.end; at += step) {
      this.#write(trace.clockTime(at), gutter - 8, this.yOf(at), colours.dim, "right");
      pen.fillStyle = colours.line;
      pen.fillRect(gutter, this.yOf(at), this.lanesEnd - gutter, 1);
    }
  }

  /** Beside each event its line: wall clock, process, level, message. @param {number} start @param {number} end */
  #drawTexts(start, end) {
    const { pen, colours, layout, trace, letter, textAt, textEnd } = this;
    pen.direction = "ltr";
    let last = -Infinity;
    for (let i = start; i < end; i++) {
      const row = layout.rows[i], exact = this.y(row), flags = trace.flags[row], y = max(exact, last + LINE);
      // By wall clock several lie at one height: a text may stand a bit below its event.
      if (y > exact + (layout.raw ? 75 : 1)) continue;
      last = y;
      this.labels.push({ row, y });
      const band = row === this.chosen ? colours.chosen : row === this.hovered ? colours.raised : "", height = layout.raw ? LINE : min(this.scale, 30);
      this.#ink(band);
      if (band) pen.fillRect(0, exact - height / 2, this.width, height);
      pen.fillStyle = colours.found;
      if (this.found?.[row]) pen.fillRect(textAt - 4, y - 9, textEnd - textAt, LINE + 3);
      this.#ink(this.hue(trace.life[row]), this.isDimmed(row) ? 0.1 : 0.35);
      this.#line(max(this.lanesAt, this.x(row) + this.radius() + 2), exact, textAt - 10, exact, textAt - 5, y);
      this.#ink("", this.isDimmed(row) ? 0.5 : 1);
      let x = textAt;
      const column = (/** @type {string} */ text, /** @type {number} */ letters, /** @type {string} */ colour) => {
        this.#write(text, x, y, colour);
        x += letters * letter;
      };
      const wall = trace.wall[row], isRed = flags & INVERTED;
      if (this.hasWalls) column(wall >= 0 ? trace.clockTime(wall) : "", trace.clockTime(0).length + 1, isRed ? colours.red : colours.dim);
      column(isRed ? `−${trace.duration(trace.inversion(row))}` : "", this.byLength, colours.red);
      if (this.hasNames) column(cut(trace.lifeName(trace.life[row]), this.nameLength), this.nameLength + 2, this.hue(trace.life[row]));
      const severity = severityOf(trace.levelName(row));
      if (severity) column(severity, severity.length + 1, severity === "ERROR" ? colours.red : colours.ink);
      const text = flags & IMPLIED ? "(its line is missing)" : trace.textNow(row);
      if (text === undefined) trace.text(row).then(() => this.ask());
      else column(cut(oneLine(text), ceil((textEnd - x) / letter) + 1), 0, flags & IMPLIED ? colours.dim : colours.ink);
    }
  }

  /** The lanes' names, and those of the columns. @param {number} count Of visible rows. */
  #drawHead(count) {
    const { pen, colours, layout, trace, head, textAt } = this, { dim, clock } = colours, y = head - 17;
    this.#ink(colours.raised);
    pen.fillRect(0, 0, this.width, head);
    pen.fillStyle = colours.line;
    pen.fillRect(0, head - 1, this.width, 1);
    pen.font = SANS;
    this.#write(layout.raw ? "UTC" : "time", this.gutter - 8, y, dim, "right");
    if (layout.clock) {
      this.#write("shared", this.gutter + 28, y - 8, clock, "center");
      this.#write("clock", this.gutter + 28, y + 5, clock, "center");
    }
    if (this.isDense) this.#write(`About ${counted(Number(count.toPrecision(2)), "line")}: zoom in to read them (+)`, textAt, y, dim);
    else {
      const nameAt = textAt + (this.byLength + (this.hasWalls ? trace.clockTime(0).length + 1 : 0)) * this.letter;
      if (this.hasWalls) this.#write("wall clock", textAt, y, dim);
      if (this.hasNames) this.#write("process", nameAt, y, dim);
      this.#write("what it says", nameAt + (this.hasNames ? this.nameLength + 2 : 0) * this.letter, y, dim);
    }
  }

  #drawNames() {
    const { pen, layout, head, isTurned } = this;
    for (let lane = this.lanes[0]; lane < this.lanes[1]; lane++) {
      pen.save();
      pen.translate(this.laneX(lane), head - (isTurned ? 8 : 17));
      if (isTurned) pen.rotate(-Math.PI / 2);
      this.#write(cut(layout.laneName(lane), isTurned ? 24 : floor(this.pitch / 7)), 0, 0, this.hue(layout.lanes[lane][0]), isTurned ? "left" : "center");
      pen.restore();
    }
  }

  /** At the right edge: the whole trace, what is red in it, what was found, and which part is visible. */
  #drawOverview() {
    const x = this.width - OVERVIEW, room = this.room(), end = max(1, this.layout.end);
    const overview = (this.overview ??= this.#makeOverview(max(1, floor(room))));
    this.pen.drawImage(overview, x, this.head);
    const height = min(room, max(8, (room / this.scale / end) * room)), y = this.head + min(room - height, (max(0, this.top) / end) * room);
    this.#ink(this.colours.accent, 1, 2);
    this.pen.strokeRect(x + 1, y + 1, OVERVIEW - 2, height - 2);
  }

  /** @param {number} height */
  #makeOverview(height) {
    const { layout, trace, colours } = this, canvas = element("canvas", { width: OVERVIEW, height }), pen = canvas.getContext("2d");
    const [counts, red, found] = [0, 0, 0].map(() => new Uint32Array(height));
    let most = 1;
    for (const row of layout.rows) {
      const y = min(height - 1, floor((layout.unit[row] / layout.end) * height));
      most = max(most, ++counts[y]);
      if (trace.flags[row] & INVERTED) red[y]++;
      if (this.found?.[row]) found[y]++;
    }
    const bar = (/** @type {string} */ colour, /** @type {number[]} */ ...box) => {
      pen.fillStyle = colour;
      pen.fillRect(...box);
    };
    bar(colours.raised, 0, 0, OVERVIEW, height);
    counts.forEach((count, y) => {
      if (count) bar(colours.edge, 3, y, max(1, (count / most) * 4), 1);
      if (red[y]) bar(colours.red, 9, y - 0.5, 1 + (red[y] / count) * 6, 1.5);
      if (found[y]) bar(colours.accent, 0, y - 1, 7, 2);
    });
    return canvas;
  }
}

/** @param {string} level @returns {string} What is worth a word. */
function severityOf(level) {
  return /^(err|fatal|crit|alert|emerg|panic)/i.test(level) ? "ERROR" : /^warn/i.test(level) ? "WARN" : "";
}
