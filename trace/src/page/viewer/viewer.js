// The page: the picture, the panel, and what a person does with them.

class Viewer {
  /** @param {Trace} trace */
  constructor(trace) {
    this.trace = trace;
    const layout = (this.layout = new Layout(trace));
    this.canvas = byId("picture");
    this.setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
    this.picture = new Picture(this.canvas, trace, layout);
    this.panel = new Panel(trace, (row) => this.choose(row, true));
    this.chosen = -1;
    this.reach = 2;
    const { sentences, alarm, inverted, worst } = summary(trace);
    this.inverted = inverted;
    this.worst = worst;
    byId("summary").textContent = sentences.join(" ");
    byId("alarm").textContent = alarm;
    byId("worst").hidden = byId("key-back").hidden = worst < 0;
    byId("inversions").hidden = !inverted.length;
    byId("by-wall").disabled = !layout.hasWalls;
    byId("clock-box").hidden = byId("key-clock").hidden = !layout.clock;
    byId("fold-box").hidden = !layout.hasRuns;
    byId("fold").checked = layout.folded;
    byId("key-implied").hidden = !trace.head.counts.implied;
    this.filters = new Filters(this);
    this.search = new Search(this);
    this.#listen();
    new Gestures(this);
    this.picture.resize();
    this.picture.fit();
  }

  #listen() {
    const { layout, picture } = this;
    /** @type {Record<string, () => void>} */
    const buttons = {
      "by-order": () => this.setRaw(false),
      "by-wall": () => this.setRaw(true),
      before: () => this.nextInversion(-1),
      next: () => this.nextInversion(1),
      worst: () => this.choose(this.trace.to[this.worst], true),
      closer: () => picture.zoom(1.5),
      further: () => picture.zoom(1 / 1.5),
      fewer: () => this.setReach(this.reach - 1),
      more: () => this.setReach(this.reach + 1),
      whole: () => this.setReach(Infinity),
      close: () => this.choose(-1),
      help: () => byId("keys").showModal(),
      theme: () => this.setTheme(document.documentElement.dataset.theme === "light"),
    };
    for (const [id, act] of Object.entries(buttons)) byId(id).onclick = act;
    byId("clock").onchange = () => {
      layout.clock = byId("clock").checked;
      this.relayout();
      this.choose(this.chosen);
    };
    byId("fold").onchange = () => {
      layout.folded = byId("fold").checked;
      this.relayout();
    };
    byId("only").onchange = () => this.filterRows();
    matchMedia("(prefers-color-scheme: dark)").onchange = ({ matches }) => this.setTheme(matches);
    new ResizeObserver(() => picture.resize()).observe(this.canvas);
    window.onbeforeprint = () => this.#print(true);
    window.onafterprint = () => this.#print(false);
  }

  /** @param {boolean} isDark */
  setTheme(isDark) {
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    this.picture?.readColours();
  }

  /** On paper there is no scrolling: a picture that is not too long goes there whole. @param {boolean} begins */
  #print(begins) {
    const { picture, layout, canvas } = this, { top, scale, head } = picture;
    if (begins) {
      const isDark = document.documentElement.dataset.theme === "dark";
      this.onScreen = { isDark, top, scale };
      picture.scale = layout.raw ? scale : min(scale, 24);
      canvas.style.height = layout.raw ? "" : `${head + min(layout.end, 400) * picture.scale + 12}px`;
      this.setTheme(false);
    } else if (this.onScreen) {
      canvas.style.height = "";
      Object.assign(picture, this.onScreen);
      this.setTheme(this.onScreen.isDark);
    }
    picture.resize();
    picture.draw();
  }

  /** @param {boolean} raw */
  setRaw(raw) {
    const { layout, picture } = this;
    if (layout.raw === raw || (raw && !layout.hasWalls)) return;
    const anchor = this.chosen >= 0 ? this.chosen : picture.first(), y = picture.y(anchor);
    layout.raw = raw;
    byId("by-order").setAttribute("aria-pressed", String(!raw));
    byId("by-wall").setAttribute("aria-pressed", String(raw));
    layout.rebuild();
    picture.resize();
    picture.fit();
    picture.move(0, picture.y(anchor) - y || 0);
    this.say(raw ? "By wall clock." : "In order, a row for each event.");
  }

  /** After a setting of the layout has changed. */
  relayout() {
    const { picture, layout } = this;
    const anchor = picture.first(), y = picture.y(anchor);
    layout.rebuild();
    picture.resize();
    picture.move(0, picture.y(anchor) - y || 0);
  }

  /** What of the rows is shown: all, those found, or those of the chosen one's cone. */
  filterRows() {
    const { layout, picture } = this, only = byId("only").value;
    const { steps, found } = picture;
    layout.only = only === "found" && found ? (row) => found[row] > 0 : only === "lit" && steps ? (row) => steps[row] !== OUTSIDE : null;
    this.relayout();
  }

  /**
   * @param {number} row -1: none.
   * @param {boolean} [visibly] Brings it into view.
   */
  choose(row, visibly) {
    const { picture, trace, layout } = this, wasOpen = this.chosen >= 0, isOpen = row >= 0;
    this.chosen = picture.chosen = row;
    this.panel.show(row, layout.clock);
    if (wasOpen !== isOpen) picture.resize();
    const { steps, before, after } = isOpen ? cone(trace, row, this.reach) : { steps: null, before: 0, after: 0 };
    picture.steps = steps;
    if (byId("only").value === "lit") this.filterRows();
    byId("reach").textContent = this.reach === Infinity ? "all" : String(this.reach);
    byId("whole").setAttribute("aria-pressed", String(this.reach === Infinity));
    byId("lit").textContent = `${counted(before, "line")} before it, ${counted(after, "line")} after it`;
    if (isOpen) trace.text(row).then((text) => this.chosen === row && this.say(`${trace.stamp(row)}: ${cut(oneLine(text), 80)}. ${byId("lit").textContent}.`));
    if (isOpen && visibly) this.reveal(row);
    picture.ask();
  }

  /** Brings a row into view, even if a filter hides it: then the filters go. */
  reveal(/** @type {number} */ row) {
    if (!this.layout.isShown(row)) {
      this.filters.clear();
      byId("only").value = "all";
      this.filterRows();
    }
    this.picture.show(row);
  }

  /** @param {number} reach */
  setReach(reach) {
    // Fewer than all are the usual ones.
    this.reach = reach === Infinity && this.reach === Infinity ? 2 : max(0, reach);
    this.choose(this.chosen);
  }

  /** @param {number} by 1 or -1 */
  nextInversion(by) {
    const { inverted } = this;
    if (!inverted.length) return;
    this.choose(beside(inverted, this.chosen, by), true);
  }

  /** @param {string} text */
  say(text) {
    byId("live").textContent = text;
  }
}

/**
 * @param {ArrayLike<number>} rows Sorted.
 * @param {number} row
 * @param {number} by
 * @returns {number} The next one of them or the one before, around the end.
 */
function beside(rows, row, by) {
  const at = firstNotBelow(rows, row);
  const next = by > 0 ? at + (rows[at] === row ? 1 : 0) : at - 1;
  return rows[(next + rows.length) % rows.length];
}

/** Finds texts. */
class Search {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.run = 0;
    /** Which rows were found. */
    this.rows = /** @type {number[]} */ ([]);
    this.field = byId("search");
    this.field.oninput = byId("regex").onchange = () => this.find();
    byId("found-before").onclick = () => this.go(-1);
    byId("found-next").onclick = () => this.go(1);
    this.field.onkeydown = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter") this.go(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") this.viewer.canvas.focus();
    };
  }

  async find() {
    const { viewer, field } = this, { trace, picture } = viewer, run = ++this.run, wanted = field.value;
    const rows = [];
    let pattern;
    try {
      pattern = wanted && new RegExp(byId("regex").checked ? wanted : wanted.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "iu");
    } catch {}
    const found = pattern ? new Uint8Array(trace.size) : null, isWrong = wanted && !pattern;
    for (let first = 0; found && pattern && first < trace.size; first += trace.head.chunk) {
      const { text, starts } = await trace.load(first / trace.head.chunk);
      // Somebody has typed on.
      if (run !== this.run) return;
      for (let at = 0; at + 1 < starts.length; at++) {
        if (!pattern.test(text.slice(starts[at], starts[at + 1] - 1))) continue;
        rows.push(first + at);
        found[first + at] = 1;
      }
    }
    this.rows = rows;
    picture.found = found;
    picture.overview = null;
    field.setAttribute("aria-invalid", String(!!isWrong));
    byId("count").textContent = isWrong ? "not a pattern" : wanted ? counted(rows.length, "line") : "";
    if (byId("only").value === "found") viewer.filterRows();
    picture.ask();
  }

  /** @param {number} by */
  go(by) {
    if (this.rows.length) this.viewer.choose(beside(this.rows, this.viewer.chosen, by), true);
  }
}

/** So many lanes are listed. */
const MOST_BOXES = 200;

/** Which lanes and levels are shown. */
class Filters {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    byId("lane-search").oninput = () => this.#listLanes();
    byId("lanes-all").onclick = () => this.#setLanes(0);
    byId("lanes-none").onclick = () => this.#setLanes(1);
    const levels = viewer.trace.head.levels;
    byId("levels").hidden = levels.length === 0;
    byId("level-list").replaceChildren(...["(none)", ...levels].map((name, level) => this.#box(name, viewer.layout.hiddenLevels, level)));
    this.#listLanes();
  }

  /** The lives whose names hold what was typed. */
  #wanted() {
    const { layout, trace } = this.viewer, wanted = byId("lane-search").value.toLowerCase();
    return layout.lives.filter((life) => trace.lifeName(life).toLowerCase().includes(wanted));
  }

  #listLanes() {
    const { trace, layout } = this.viewer, lives = this.#wanted();
    const boxes = lives.slice(0, MOST_BOXES).map((life) => this.#box(trace.lifeName(life), layout.hiddenLives, life));
    if (lives.length > MOST_BOXES) boxes.push(element("p", {}, `and ${lives.length - MOST_BOXES} more: type a part of the name`));
    byId("lane-list").replaceChildren(...boxes);
  }

  /** @param {number} hidden For all whose name holds what was typed. */
  #setLanes(hidden) {
    for (const life of this.#wanted()) this.viewer.layout.hiddenLives[life] = hidden;
    this.#listLanes();
    this.viewer.relayout();
  }

  /**
   * @param {string} name
   * @param {Uint8Array} hidden
   * @param {number} which
   */
  #box(name, hidden, which) {
    const box = element("input", { type: "checkbox", checked: !hidden[which] });
    box.onchange = () => {
      hidden[which] = box.checked ? 0 : 1;
      this.viewer.relayout();
    };
    return element("label", {}, box, ` ${name}`);
  }

  clear() {
    this.viewer.layout.hiddenLives.fill(0);
    this.viewer.layout.hiddenLevels.fill(0);
    for (const box of document.querySelectorAll("#level-list input, #lane-list input")) /** @type {HTMLInputElement} */ (box).checked = true;
  }
}

/** @type {Viewer} */
let viewer;
Trace.read().then(
  async (trace) => {
    if (trace.size) await trace.load(0);
    viewer = new Viewer(trace);
    viewer.picture.draw();
    document.documentElement.dataset.ready = String(performance.now());
  },
  (error) => {
    byId("summary").textContent = `This page can't be read: ${error}`;
    throw error;
  },
);
