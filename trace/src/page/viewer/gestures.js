// Mouse, finger and keyboard.

class Gestures {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.picture = viewer.picture;
    /** @type {Map<number, {x: number, y: number}>} Where each finger is. */
    this.fingers = new Map();
    this.moved = 0;
    Object.assign(viewer.canvas, {
      onpointerdown: (/** @type {PointerEvent} */ event) => this.#down(event),
      onpointermove: (/** @type {PointerEvent} */ event) => this.#move(event),
      onpointerup: (/** @type {PointerEvent} */ event) => this.#up(event),
      onpointercancel: (/** @type {PointerEvent} */ event) => this.fingers.delete(event.pointerId),
      onpointerleave: () => this.#hover(-1),
    });
    viewer.canvas.addEventListener("wheel", (/** @type {WheelEvent} */ event) => this.#wheel(event), { passive: false });
    addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {WheelEvent} event A pinch on a touchpad comes as a wheel with Ctrl. */
  #wheel(event) {
    event.preventDefault();
    const { deltaX: dx, deltaY: dy } = event;
    if (event.ctrlKey || event.metaKey) this.picture.zoom(Math.exp(-dy / 250), event.offsetY);
    else if (event.shiftKey && !dx) this.picture.move(dy, 0);
    else this.picture.move(dx, dy);
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.viewer.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (this.fingers.size === 1) this.moved = 0;
    this.isOverview = event.offsetX > this.picture.width - OVERVIEW;
    if (this.isOverview) this.#jump(event.offsetY);
  }

  /** @param {number} y To that part of the whole. */
  #jump(y) {
    const { picture } = this, room = picture.room();
    picture.top = ((y - picture.head) / room) * picture.layout.end - room / picture.scale / 2;
    picture.move(0, 0);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { picture } = this, last = this.fingers.get(event.pointerId), now = { x: event.offsetX, y: event.offsetY };
    if (!last) return this.#hover(picture.rowAt(now.x, now.y));
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    this.fingers.set(event.pointerId, now);
    this.moved += Math.hypot(now.x - last.x, now.y - last.y);
    if (this.isOverview) return this.#jump(now.y);
    if (!other) return picture.move(last.x - now.x, last.y - now.y);
    const [far, near] = [now, last].map((at) => Math.hypot(at.x - other.x, at.y - other.y));
    picture.zoom(far / max(1, near), (now.y + other.y) / 2);
    return picture.move((last.x - now.x) / 2, (last.y - now.y) / 2);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    const isClick = this.fingers.size === 1 && this.moved < 5 && !this.isOverview;
    this.fingers.delete(event.pointerId);
    if (isClick) this.viewer.choose(this.picture.rowAt(event.offsetX, event.offsetY));
  }

  /** @param {number} row */
  #hover(row) {
    if (this.picture.hovered === row) return;
    this.picture.hovered = row;
    this.picture.ask();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {HTMLElement} */ (event.target), { viewer, picture } = this;
    if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
    if (target.matches("input[type=search], select")) return;
    // Buttons and boxes keep the keys that move them.
    if (target !== viewer.canvas && target !== document.body && /^(Enter| |Arrow|Home|End|Page)/.test(event.key)) return;
    const page = picture.room() - 40, aside = max(60, picture.pitch);
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowUp: () => picture.move(0, -72),
      ArrowDown: () => picture.move(0, 72),
      ArrowLeft: () => picture.move(-aside, 0),
      ArrowRight: () => picture.move(aside, 0),
      PageUp: () => picture.move(0, -page),
      PageDown: () => picture.move(0, page),
      Home: () => picture.move(0, -1e300),
      End: () => picture.move(0, 1e300),
      "+": () => picture.zoom(1.25),
      "=": () => picture.zoom(1.25),
      "-": () => picture.zoom(0.8),
      0: () => picture.fit(),
      "<": () => this.picture.widen(0.8),
      ">": () => this.picture.widen(1.25),
      j: () => this.#step((row) => viewer.trace.after(row)),
      k: () => this.#step((row) => viewer.trace.before(row)),
      c: () => this.#step((row) => viewer.trace.causes(row)[0] ?? -1),
      e: () => this.#step((row) => viewer.trace.effects(row)[0] ?? -1),
      n: () => viewer.nextInversion(1),
      p: () => viewer.nextInversion(-1),
      "[": () => viewer.setReach(viewer.reach - 1),
      "]": () => viewer.setReach(viewer.reach + 1),
      a: () => viewer.setReach(Infinity),
      w: () => viewer.setRaw(!picture.layout.raw),
      Enter: () => this.#step((row) => row),
      "/": () => byId("search").focus(),
      "?": () => byId("keys").showModal(),
      Escape: () => viewer.choose(-1),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  }

  /** @param {(row: number) => number} next From the chosen row; if there is none, the first visible one is chosen. */
  #step(next) {
    const { viewer, picture } = this;
    if (viewer.chosen < 0) {
      if (picture.first() >= 0) viewer.choose(picture.first(), true);
      return;
    }
    const row = next(viewer.chosen);
    if (row < 0) viewer.say("There is none.");
    else viewer.choose(row, true);
  }
}
