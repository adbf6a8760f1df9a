// Metrics over time: one number per period and series, oldest first, as Customer.io counts them.

const ORDER = [
  "sent", "delivered", "opened", "clicked", "converted", "human_opened", "human_clicked", "unsubscribed", "bounced",
  "spammed", "failed", "undeliverable", "dropped", "suppressed", "deferred", "topic_unsubscribed", "replied",
];
const FIRST_SHOWN = ["sent", "delivered", "opened", "clicked", "converted"];
const BASES = new Map([["delivered", "sent"], ["bounced", "sent"], ["failed", "sent"], ["undeliverable", "sent"]]);
for (const name of ["opened", "clicked", "converted", "human_opened", "human_clicked", "unsubscribed", "spammed"]) BASES.set(name, "delivered");
const DASHES = ["", "7 4", "2 4", "9 4 2 4", "", "7 4", "2 4", "9 4 2 4"];
const MOST_SERIES = 32;
const MOST_PERIODS = 2_000;
const BEYOND_COUNTING = 1e12;
const HEIGHT = 232;
const MARGIN = { top: 10, bottom: 26 };

const view = { shown: null, at: null, busy: false, said: "", opened: false, resized: null };

/** The series of an answer, aligned at their newest period; null if there are none. */
function seriesOf(told) {
  const given = told.metric?.series ?? told.series;
  if (!isObject(given)) return null;
  const named = Object.entries(given).filter(([, values]) => Array.isArray(values)).slice(0, MOST_SERIES);
  const length = Math.min(MOST_PERIODS, named.reduce((most, [, values]) => Math.max(most, values.length), 0));
  const all = named.map(([name, values]) => {
    const tail = values.slice(-length).map((value) => (Number.isFinite(value) && Math.abs(value) < BEYOND_COUNTING ? value : null));
    const missing = Array(length - tail.length).fill(null);
    // What this server cuts it cuts at the end.
    return { name, values: "_cut" in told ? [...tail, ...missing] : [...missing, ...tail], total: sum(tail) };
  });
  const rank = ({ name }) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  all.sort((a, b) => rank(a) - rank(b));
  const cut = "_cut" in told || named.some(([, values]) => values.length > length);
  const some = all.filter(({ total }) => total !== 0).map((each, index) => ({ ...each, look: index % DASHES.length }));
  return { length, cut, some, none: all.filter(({ total }) => total === 0) };
}

function sum(values) {
  return values.reduce((total, value) => total + (value ?? 0), 0);
}

function subject() {
  const ids = Object.entries(call.arguments).filter(([name, value]) => name.endsWith("_id") && ["number", "string"].includes(typeof value));
  const parts = ids.map(([name, value]) => `${words(name.slice(0, -3))} ${plain(value, 40)}`);
  return parts.length ? parts.join(" · ") : "Metrics";
}

function drawMetrics(told, result) {
  if (result.isError) return null;
  const series = seriesOf(told);
  if (!series) return null;
  const time = clock(result, series.length, series.cut);
  view.shown ??= new Set(chosen(series.some));
  view.at = null;
  view.resized?.disconnect();
  const chart = series.some.length ? charted(series, time) : nothing(series, time);
  const legend = series.some.length ? make("div", { class: "legend", role: "group", "aria-label": "Series" }, series.some.map((each) => toggle(each, series, chart))) : null;
  return [heading(series, time), legend, chart.node, below(series, time, chart)].filter(Boolean);
}

function chosen(some) {
  const usual = some.filter(({ name }) => FIRST_SHOWN.includes(name));
  return (usual.length ? usual : some.slice(0, 3)).map(({ name }) => name);
}

function heading(series, time) {
  const type = typeof call.arguments.type === "string" ? `${plain(call.arguments.type, 30).replaceAll("_", "-")} only, ` : "";
  const until = time.until === null ? "" : ` to ${time.until}`;
  const span = `${series.length} ${series.length === 1 ? time.period.slice(0, -1) : time.period}${until}`;
  return make("header", { class: "head" },
    make("div", {}, make("h1", {}, subject()), make("p", { class: "quiet" }, `Metrics, ${type}${span}`)),
    periods(time),
    make("p", { class: "quiet told", hidden: !view.said }, view.said));
}

/** The argument that this tool calls its period by, if it has one. */
function periodArgument() {
  const known = host.context.toolInfo?.tool?.inputSchema?.properties;
  if (!isObject(known)) return null;
  if ("res" in known && !isFirstVersion(call.arguments)) return "res";
  return "period" in known ? "period" : null;
}

function periods(time) {
  const again = caller();
  const argument = periodArgument();
  if (!again || !argument) return null;
  const buttons = PERIODS.map((period) => {
    const button = make("button", { type: "button", "aria-pressed": String(period === time.period), disabled: view.busy }, words(period));
    button.addEventListener("click", () => period !== time.period && look(again, { ...call.arguments, [argument]: period }, period));
    return button;
  });
  return make("div", { class: "periods", role: "group", "aria-label": "Period" }, buttons);
}

async function look(again, given, period) {
  delete given.steps; // each period has its own most
  Object.assign(view, { busy: true, said: "" });
  redraw();
  try {
    const result = await again(given);
    if (!isObject(result) || result.isError) throw new Error(plain(result?.structuredContent?.error?.message ?? "refused", 200));
    Object.assign(call, { arguments: given, result });
  } catch (error) {
    view.said = `Not read by ${period}: ${error.message}`;
  }
  view.busy = false;
  redraw();
  say(view.said);
  [...document.querySelectorAll(".periods button")].find((each) => each.textContent === words(period))?.focus();
}

function toggle(each, series, chart) {
  const base = series.some.find(({ name }) => name === BASES.get(each.name));
  const rate = base && each.total >= 0 && each.total <= base.total ? percent(each.total / base.total) : "";
  const button = make("button", { type: "button", "aria-pressed": String(view.shown.has(each.name)) },
    swatch(each.look), make("span", { class: "name", title: words(each.name) }, theirs(words(each.name), 40)),
    make("span", { class: "total" }, numbers().format(each.total)),
    make("span", { class: "rate" }, rate, rate ? make("span", { class: "of" }, ` of ${base.name}`) : ""));
  button.addEventListener("click", () => {
    const pressed = view.shown.delete(each.name) ? false : Boolean(view.shown.add(each.name));
    button.setAttribute("aria-pressed", String(pressed));
    chart.redraw();
  });
  return button;
}

function percent(share) {
  const written = numbers({ style: "percent", maximumFractionDigits: 1 });
  return share > 0 && share < 0.0005 ? `<${written.format(0.001)}` : written.format(share);
}

function swatch(look) {
  return shape("svg", { width: 16, height: 8, "aria-hidden": "true" },
    shape("line", { x1: 1, x2: 15, y1: 4, y2: 4, stroke: `var(--series-${look})`, "stroke-width": 2.5, "stroke-linecap": "round", "stroke-dasharray": DASHES[look] }));
}

function nothing(series, time) {
  const why = series.length ? `Every series is 0 in all ${series.length} ${time.period}.` : "The answer has no periods.";
  return { node: make("div", { class: "nothing" }, make("strong", {}, "Nothing to show"), make("span", { class: "quiet" }, why)), redraw: () => {} };
}

function charted(series, time) {
  const svg = shape("svg", { height: HEIGHT, "aria-hidden": "true" });
  const readout = make("div", { class: "readout", hidden: true, "aria-hidden": "true" });
  const node = make("div", {
    class: "chart", tabindex: 0, role: "slider", "aria-label": "Chart; arrow keys go from period to period", "aria-busy": String(view.busy),
    "aria-valuemin": 1, "aria-valuemax": series.length, "aria-valuenow": series.length,
  }, svg, readout);
  const chart = { node, redraw: () => paint(chart, series, time), svg, readout, scale: null };
  listen(chart, series);
  view.resized = new ResizeObserver(chart.redraw);
  view.resized.observe(node);
  return chart;
}

function listen(chart, series) {
  const { node } = chart;
  const move = (at) => {
    view.at = at === null ? null : Math.max(0, Math.min(series.length - 1, at));
    chart.redraw();
  };
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -7, PageUp: 7, Home: -Infinity, End: Infinity };
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape") move(null);
    if (!(event.key in steps)) return;
    event.preventDefault();
    move((view.at ?? series.length - 1) + (view.at === null && Number.isFinite(steps[event.key]) ? 0 : steps[event.key]));
  });
  node.addEventListener("pointermove", (event) => chart.scale && move(chart.scale.index(event.clientX - node.getBoundingClientRect().left)));
  node.addEventListener("pointerdown", (event) => chart.scale && move(chart.scale.index(event.clientX - node.getBoundingClientRect().left)));
  node.addEventListener("pointerleave", () => move(null));
  node.addEventListener("blur", () => move(null));
}

function shownOf(series) {
  return series.some.filter(({ name }) => view.shown.has(name));
}

function scaleOf(series, shown, width, time) {
  const values = shown.flatMap(({ values: each }) => each.filter((value) => value !== null));
  const ticks = ticksOf(values.reduce((least, each) => Math.min(least, each), 0), values.reduce((most, each) => Math.max(most, each), 0));
  const [low, high] = [ticks[0], ticks[ticks.length - 1]];
  const written = numbers({ notation: "compact", maximumFractionDigits: 1 });
  const labels = ticks.map((tick) => written.format(tick));
  const named = 6.2 * Math.max(time.short(0).length, time.short(series.length - 1).length);
  const left = Math.max(12 + 6.5 * Math.max(...labels.map((label) => label.length)), Math.min(48, named / 2));
  const wide = Math.max(1, width - left - Math.min(48, named / 2 + 2));
  const step = series.length > 1 ? wide / (series.length - 1) : 0;
  return {
    left, wide, ticks, labels, width, named,
    x: (index) => (series.length > 1 ? left + index * step : left + wide / 2),
    y: (value) => MARGIN.top + (HEIGHT - MARGIN.top - MARGIN.bottom) * (1 - (value - low) / (high - low)),
    index: (x) => (step ? Math.max(0, Math.min(series.length - 1, Math.round((x - left) / step))) : 0),
  };
}

/** Round numbers from at most `least` to at least `most`, about four steps. */
function ticksOf(least, most) {
  const rough = Math.max(1, most - least) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough));
  const whole = Number.isInteger(step) ? step : Math.ceil(step);
  const first = Math.floor(least / whole);
  const last = Math.max(first + 1, Math.ceil(most / whole));
  return Array.from({ length: Math.min(12, last - first + 1) }, (_, index) => (first + index) * whole);
}

function paint(chart, series, time) {
  const { svg, node } = chart;
  const shown = shownOf(series);
  const scale = (chart.scale = scaleOf(series, shown, node.clientWidth || 600, time));
  svg.setAttribute("viewBox", `0 0 ${scale.width} ${HEIGHT}`);
  svg.replaceChildren(...axes(scale, series, time), ...shown.flatMap((each) => traced(each, scale, shown.length === 1)));
  point(chart, series, time, shown);
}

function axes(scale, series, time) {
  const right = scale.left + scale.wide;
  const across = scale.ticks.flatMap((tick, index) => {
    const y = Math.round(scale.y(tick)) + 0.5;
    return [shape("line", { class: "grid", x1: scale.left, x2: right, y1: y, y2: y }),
      shape("text", { x: scale.left - 8, y: y + 3.5, "text-anchor": "end" }, scale.labels[index])];
  });
  const every = Math.max(1, Math.ceil(((scale.named + 22) * (series.length - 1)) / scale.wide));
  const along = [];
  for (let index = series.length - 1; index >= 0; index -= every) {
    along.push(shape("text", { x: scale.x(index), y: HEIGHT - 6, "text-anchor": "middle" }, time.short(index)));
  }
  return [...across, ...along];
}

function traced({ values, look }, scale, alone) {
  const colour = `var(--series-${look})`;
  let path = "";
  let begun = false;
  const lonely = [];
  values.forEach((value, index) => {
    if (value === null) { begun = false; return; }
    path += `${begun ? "L" : "M"}${scale.x(index).toFixed(1)} ${scale.y(value).toFixed(1)}`;
    if (!begun && (values[index + 1] ?? null) === null) lonely.push(shape("circle", { class: "dot", cx: scale.x(index), cy: scale.y(value), r: 4, fill: colour }));
    begun = true;
  });
  const whole = alone && values.length > 1 && !values.includes(null);
  const area = whole ? [shape("path", { class: "area", fill: colour, d: `${path}V${scale.y(Math.max(0, scale.ticks[0]))}H${scale.x(0)}Z` })] : [];
  const dense = values.length > scale.wide / 3; // dashes could not be told apart
  return [...area, shape("path", { class: dense ? "line dense" : "line", stroke: colour, "stroke-dasharray": dense ? "" : DASHES[look], d: path }), ...lonely];
}

/** Show the values of one period: a rule, dots, a box beside it, and words for who hears instead of seeing. */
function point(chart, series, time, shown) {
  const { node, readout, svg, scale } = chart;
  const at = view.at ?? series.length - 1;
  const rows = shown.map((each) => ({ ...each, value: each.values[at] }));
  const told = rows.map(({ name, value }) => `${words(name)} ${value === null ? "not known" : numbers().format(value)}`);
  node.setAttribute("aria-valuenow", String(at + 1));
  node.setAttribute("aria-valuetext", `${time.name(at)}: ${told.join(", ") || "no series is shown"}`);
  readout.hidden = view.at === null || !rows.length;
  if (readout.hidden) return;
  const x = scale.x(at);
  svg.append(shape("line", { class: "rule", x1: Math.round(x) + 0.5, x2: Math.round(x) + 0.5, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }));
  svg.append(...rows.filter(({ value }) => value !== null).map(({ value, look }) => shape("circle", { class: "dot", cx: x, cy: scale.y(value), r: 4.5, fill: `var(--series-${look})` })));
  readout.replaceChildren(make("strong", {}, time.name(at)), make("ul", {}, rows.map(({ name, value, look }) => make("li", {}, swatch(look), theirs(words(name), 40), make("b", {}, value === null ? "–" : numbers().format(value))))));
  const room = readout.offsetWidth + 14;
  readout.style.left = `${x + room > scale.width ? Math.max(0, x - room) : x + 14}px`;
}

function below(series, time, chart) {
  const none = series.none.length && series.some.length ? make("p", { class: "quiet" }, `All 0: ${series.none.map(({ name }) => words(name).toLowerCase()).join(", ")}.`) : null;
  const cut = series.cut ? make("p", { class: "note", "data-tone": "warn" }, "The answer was cut: this is a part of it, and its periods cannot be dated.") : null;
  const dated = time.until === null || !series.some.length ? null : make("p", { class: "quiet" }, `Customer.io counts by period, without dates; they are counted back from ${time.isAsked ? "the end that was asked for" : "the call"}.`);
  const rated = series.some.some(({ name }) => BASES.has(name)) ? make("p", { class: "quiet narrow" }, "Percentages are of what was delivered; those of delivered, bounced and failed are of what was sent.") : null;
  return make("footer", { class: "below" }, cut, series.some.length ? tabled(series, time, chart) : null, rated, none, dated);
}

function tabled(series, time) {
  const details = make("details", {}, make("summary", {}, "Show the numbers as a table"));
  const fill = () => {
    view.opened = details.open;
    if (!details.open || details.children.length > 1) return;
    const head = make("tr", {}, make("th", { scope: "col" }, "Period"), series.some.map(({ name }) => make("th", { scope: "col" }, words(name))));
    const rows = Array.from({ length: series.length }, (_, index) => make("tr", {}, make("th", { scope: "row" }, time.name(index)),
      series.some.map(({ values }) => make("td", {}, values[index] === null ? "–" : numbers().format(values[index])))));
    details.append(make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The numbers" }, make("table", {}, make("thead", {}, head), make("tbody", {}, rows))));
  };
  details.addEventListener("toggle", fill);
  details.open = view.opened;
  return details;
}

begin(drawMetrics);
