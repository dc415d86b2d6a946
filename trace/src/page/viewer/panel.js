// What a person reads and follows beside the picture: one event, and the lines around it.

/** Of a longer text the rest is shown when asked for. */
const SHORT = 2000;
/** So many causes or effects are listed. */
const MOST_LISTED = 50;

/** @param {string} id @returns {any} */
function byId(id) {
  return document.getElementById(id);
}

/**
 * @param {string} name
 * @param {Record<string, any>} [properties] Texts go in as `textContent` and nowhere else.
 * @param {(Node | string)[]} children
 * @returns {any}
 */
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

class Panel {
  /**
   * @param {Trace} trace
   * @param {(row: number) => void} choose
   */
  constructor(trace, choose) {
    this.trace = trace;
    this.choose = choose;
    this.panel = byId("panel");
  }

  /**
   * @param {number} row -1 closes it.
   * @param {boolean} clock Whether the shared clock's order is shown.
   */
  async show(row, clock) {
    this.row = row;
    this.panel.hidden = row < 0;
    if (row < 0) return;
    const { trace } = this, text = await trace.text(row);
    // Another one was chosen meanwhile.
    if (this.row !== row) return;
    byId("stamp").textContent = trace.stamp(row);
    this.#showText(text, trace.flags[row] & IMPLIED);
    byId("facts").replaceChildren(...this.#facts(row).flatMap(([name, value]) => (value ? [element("dt", {}, name), element("dd", {}, value)] : [])));
    const isNear = !(trace.flags[row] & GAP);
    await this.#list("causes", row, -1, trace.causes(row), clock ? trace.update(row, -1) : -1, trace.before(row), isNear ? "line before" : "line before, some between are missing");
    await this.#list("effects", row, 1, trace.effects(row), clock ? trace.update(row, 1) : -1, trace.after(row), "line after");
  }

  /** @param {string} text @param {number} isImplied */
  #showText(text, isImplied) {
    const shown = byId("text"), all = byId("all");
    shown.textContent = isImplied ? "Its line is missing. A message tells of this moment." : cut(text, SHORT);
    shown.className = isImplied ? "dim" : "";
    all.hidden = text.length <= SHORT;
    all.textContent = `Show all ${text.length.toLocaleString("en")} characters`;
    all.onclick = () => {
      shown.textContent = text;
      all.hidden = true;
    };
  }

  /** @param {number} row @returns {[string, string | 0 | undefined | false][]} */
  #facts(row) {
    const { trace } = this, { head } = trace, { run, runs, instance } = head.lives[trace.life[row]], line = trace.line[row];
    return [
      ["Process", trace.process(row)],
      ["Run", runs > 1 && `${run} of ${runs}`],
      ["Instance", instance],
      ["Thread or task", head.lanes[trace.lane[row] - 1]],
      ["Level", trace.levelName(row)],
      ["What", KINDS[trace.flags[row] & KIND]],
      ["Wall clock", trace.wall[row] >= 0 && trace.fullTime(trace.wall[row])],
      ["Shows", (trace.flags[row] & INVERTED) > 0 && `${trace.duration(trace.inversion(row))} less than a cause does`],
      ["Line", trace.source[row] && head.sources[trace.source[row] - 1] + (line ? `:${line}` : "")],
    ];
  }

  /**
   * @param {string} id
   * @param {number} chosen
   * @param {number} sign
   * @param {number[]} messages
   * @param {number} update -1: none.
   * @param {number} line The same.
   * @param {string} which
   */
  async #list(id, chosen, sign, messages, update, line, which) {
    const { trace } = this, rows = [...messages.slice(0, MOST_LISTED), update, line];
    await Promise.all(rows.map((row) => row < 0 || trace.text(row)));
    if (this.row !== chosen) return;
    const items = rows.flatMap((row, i) => {
      if (row < 0) return [];
      const by = sign * (trace.wall[row] - trace.wall[chosen]), link = element("button", { className: "link", onclick: () => this.choose(row) });
      link.append(element("b", {}, trace.stamp(row)), ` ${cut(oneLine(trace.textNow(row) ?? ""), 90)}`);
      const note = element("small", {}, [which, "shared clock"][rows.length - 1 - i] ?? "message");
      if (!isNaN(by)) note.append(", ", element("span", { className: by < 0 ? "red" : "" }, `${by < 0 ? "−" : "+"}${trace.duration(abs(by))} by wall clock`));
      return [element("li", {}, link, note)];
    });
    const left = messages.length - MOST_LISTED;
    if (left > 0) items.push(element("li", {}, `and ${counted(left, "message")} more`));
    if (!items.length) items.push(element("li", { className: "dim" }, "Nothing that a line tells of."));
    byId(id).replaceChildren(...items);
  }
}

/** @param {string} text @param {number} most @returns {string} */
function cut(text, most) {
  return text.length <= most ? text : `${text.slice(0, max(0, most - 1)).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** @param {string} text @returns {string} As much of it as one line can show. */
function oneLine(text) {
  return text.slice(0, 1000).replace(/\s*\n\s*/g, " ⏎ ").replace(/\t/g, " ");
}

/** @param {number} n @param {string} one @param {string} [many] @returns {string} */
function counted(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/**
 * Who, how many, and where the wall clocks are wrong.
 *
 * @param {Trace} trace
 * @returns {{inverted: number[], worst: number, sentences: string[], alarm: string}} The rows that lie
 *   before one of their causes by wall clock, and the message that proves most.
 */
function summary(trace) {
  const { lives, counts, edges } = trace.head, inverted = rowsWhere(trace.size, (row) => (trace.flags[row] & INVERTED) > 0);
  const runs = lives.filter(({ run }) => run > 0), processes = new Set(runs.map(({ process }) => process)).size;
  const sentences = [
    `${counted(processes, "process", "processes")}${runs.length > processes ? ` in ${counted(runs.length, "run")}` : ""}, ${counted(trace.size - counts.implied, "event")}, ${counted(edges, "message")}.`,
  ];
  const unread = counts.malformed + counts.broken_json + counts.too_long;
  if (trace.updates.length) sentences.push(`${counted(trace.updates.length, "time")} taken from the shared clock.`);
  if (counts.implied) sentences.push(`${counted(counts.implied, "line is", "lines are")} missing that messages tell of.`);
  if (counts.unstamped) sentences.push(`${counted(counts.unstamped, "line")} without a stamp.`);
  if (unread) sentences.push(`${counted(unread, "line was", "lines were")} not understood.`);
  let worst = -1, most = 0, backwards = 0, alarm = "";
  for (let edge = 0; edge < edges; edge++) {
    const by = trace.backwards(edge);
    if (by) backwards++;
    if (by > most) [most, worst] = [by, edge];
  }
  if (worst >= 0) {
    const arrive = backwards === 1 ? "1 message arrives before it was sent" : `${counted(backwards, "message")} arrive before they were sent`;
    alarm = `By wall clock ${arrive}: ${trace.process(trace.to[worst])}'s clock is at least ${trace.duration(most)} behind ${trace.process(trace.from[worst])}'s.`;
  } else if (inverted.length) alarm = `${counted(inverted.length, "line shows", "lines show")} an earlier wall clock than the line before: a clock was set back, or two threads took stamp and wall clock in different orders.`;
  return { inverted, worst, sentences, alarm };
}
