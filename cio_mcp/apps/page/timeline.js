// What became of one message, step by step, oldest first.

const GOOD = new Set(["delivered", "opened", "clicked", "converted", "replied"]);
const WARN = new Set(["deferred", "unsubscribed"]);
const BAD = new Set(["bounced", "dropped", "failed", "undeliverable", "spammed"]);
const MARKS = {
  good: "M7.5 12.5l3 3 6-7",
  warn: "M12 7.5v5.5M12 16v.5",
  bad: "M8.5 8.5l7 7M15.5 8.5l-7 7",
  "": "M12 12h.01",
};
const MOST_STEPS = 200;
const OURS = new Set(["delivery_id", "object_type", "timeline", "reached", "waited_seconds", "next_step", "_cut"]);
const view = { busy: false, said: "" };

function toneOf(metric) {
  return GOOD.has(metric) ? "good" : WARN.has(metric) ? "warn" : BAD.has(metric) ? "bad" : "";
}

function drawTimeline(told, result) {
  if (result.isError || !Array.isArray(told.timeline)) return null;
  const steps = told.timeline.filter(isObject);
  return [heading(told, steps), awaited(told), stepped(steps), cut(told, steps), about(told)].filter(Boolean);
}

function heading(told, steps) {
  const end = steps.findLast(({ metric }) => BAD.has(metric)) ?? steps.at(-1);
  const kind = typeof told.object_type === "string" && told.object_type ? words(told.object_type) : "Message";
  return make("header", { class: "head" },
    make("div", {}, make("h1", {}, kind, " ", end ? make("span", { class: "chip", "data-tone": toneOf(end.metric) }, words(end.metric)) : ""),
      make("p", { class: "quiet" }, "Delivery ", make("code", {}, plain(told.delivery_id, 80)), steps.length ? `, times in ${zone(steps.at(-1).at)}` : "")),
    again(),
    make("p", { class: "quiet told", hidden: !view.said }, view.said));
}

function again() {
  const calling = caller();
  if (!calling || host.context.toolInfo.tool.name !== "get_delivery_timeline") return null;
  const button = make("button", { type: "button", class: "again", disabled: view.busy }, view.busy ? "Looking…" : "Look again");
  button.addEventListener("click", () => look(calling));
  return button;
}

async function look(calling) {
  Object.assign(view, { busy: true, said: "" });
  redraw();
  const before = list(call.result.structuredContent.timeline).length;
  try {
    const result = await calling(call.arguments);
    if (!isObject(result) || result.isError) throw new Error(plain(result?.structuredContent?.error?.message ?? "refused", 200));
    call.result = result;
    const more = list(result.structuredContent?.timeline).length - before;
    view.said = more > 0 ? `${more} more ${more === 1 ? "step" : "steps"}.` : "Nothing new.";
  } catch (error) {
    view.said = `Not read: ${error.message}`;
  }
  view.busy = false;
  redraw();
  say(view.said);
  document.querySelector(".again")?.focus();
}

function awaited(told) {
  if (typeof told.reached !== "boolean") return null;
  const until = plain(call.arguments.until ?? "delivered", 40);
  const waited = Number.isFinite(told.waited_seconds) ? ` after ${numbers({ maximumFractionDigits: 1 }).format(told.waited_seconds)} s` : "";
  return make("div", { class: "note", "data-tone": told.reached ? "good" : "warn" },
    make("strong", {}, told.reached ? `Reached: ${until}${waited}` : `Not ${until}${waited}`),
    told.next_step ? make("span", {}, plain(told.next_step, 300)) : null);
}

function stepped(steps) {
  if (!steps.length) return make("p", { class: "note" }, "Nothing has been reported of this message yet.");
  const shown = steps.slice(0, MOST_STEPS);
  return make("ol", { class: "steps", "aria-label": "What happened, oldest first" }, shown.map((step, index) => stepOf(step, shown[index - 1])));
}

function stepOf(step, last) {
  const { metric, at, ...rest } = step;
  const tone = toneOf(metric);
  const since = gap(at, last?.at);
  return make("li", {},
    make("span", { class: "mark", "data-tone": tone }, mark(tone)),
    make("div", {},
      make("p", { class: "what" }, make("strong", {}, theirs(words(metric ?? "something"), 60)), timed(at), since ? make("span", { class: "gap" }, since) : null),
      said(rest)));
}

function mark(tone) {
  return shape("svg", { viewBox: "0 0 24 24", width: 24, height: 24, fill: "none", stroke: "currentColor", "stroke-width": tone ? 2 : 5, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" }, shape("path", { d: MARKS[tone] }));
}

function said(rest) {
  const pairs = Object.entries(rest).slice(0, 12).map(([name, value]) => [words(name), theirs(value, 300)]);
  return pairs.length ? described(pairs, { class: "pairs others" }) : null;
}

function moment(at) {
  const given = typeof at === "number" ? at * 1000 : typeof at === "string" ? Date.parse(at.replace(/ UTC$/, "Z").replace(" ", "T")) : NaN;
  return Number.isFinite(given) && Math.abs(given) < 8e15 ? given : null;
}

function timed(at) {
  const given = moment(at);
  if (given === null) return make("span", { class: "gap" }, plain(at ?? "at a time not known", 40));
  const written = dates({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(given);
  return make("time", { datetime: new Date(given).toISOString() }, written);
}

/** What the zone is called at that time of the year, since summer has a name of its own. */
function zone(at) {
  return dates({ timeZoneName: "short" }).formatToParts(moment(at) ?? Date.now()).find(({ type }) => type === "timeZoneName")?.value ?? "UTC";
}

/** How long after the step before. */
function gap(at, last) {
  const [now, then] = [moment(at), moment(last)];
  if (now === null || then === null) return "";
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  for (const [unit, length] of [["day", 86_400], ["hour", 3_600], ["minute", 60]]) {
    if (seconds >= length) return `+${numbers({ style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 }).format(seconds / length)}`;
  }
  return seconds ? `+${numbers({ style: "unit", unit: "second", unitDisplay: "short" }).format(seconds)}` : "";
}

function cut(told, steps) {
  if (!("_cut" in told) && steps.length <= MOST_STEPS) return null;
  return make("p", { class: "note", "data-tone": "warn" }, "There were more steps than are shown.");
}

/** What others wrote stands last, and is said to be theirs. */
function about(told) {
  const rest = Object.entries(told).filter(([name]) => !OURS.has(name));
  if (!rest.length) return null;
  return make("section", { class: "others" },
    make("h2", {}, "Of the message, as others wrote it"),
    described(rest.slice(0, 24).map(([name, value]) => [words(name), isObject(value) ? described(Object.entries(value).slice(0, 8).map(([key, each]) => [plain(key, 40), theirs(each, 300)])) : theirs(value, 600)])));
}

begin(drawTimeline);
