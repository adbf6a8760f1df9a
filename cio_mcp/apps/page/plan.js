// What a call would do. This card shows and does not confirm: what a page can press, a page can be made to press.

const TONES = { destructive: "bad", send: "warn", write: "" };
const SHIELD = "M12 3l7 3v5c0 4.5-3 8-7 10-4-2-7-5.5-7-10V6z";
const TICK = "M5 12.5l4.5 4.5L19 7.5";
const MOST = 40;
const MOST_REMOVED = 50; // as many as a batch may hold: nobody is left out

function drawPlan(told, result) {
  if (isObject(told.plan)) return card(told.plan, ["Only a plan was asked for. Nothing has been sent.", ""], null);
  const error = isObject(told.error) ? told.error : null;
  if (error && isObject(error.plan)) return card(error.plan, ["Waits for confirmation. Nothing has been sent.", "warn"], howTo());
  if (error?.code === "approval_needed") return waits(error);
  return error || result.isError ? null : done(told);
}

function howTo() {
  return make("p", { class: "how" }, make("strong", {}, "This card cannot confirm."),
    " If you agree, say so in the conversation, or answer where your client asks you. The confirmation is good for exactly this call, once, for ten minutes.");
}

function waits(error) {
  return [state("Waits for the operator's approval. Nothing has been sent.", "warn", SHIELD),
    make("section", { class: "part" }, make("p", {}, plain(error.message, 600)), make("p", { class: "quiet" }, plain(error.next_step, 600)))];
}

function done(told) {
  const members = Object.entries(told).slice(0, 12).map(([name, value]) => [words(name), theirs(value, 300)]);
  return [state("Customer.io has taken this call.", "good", TICK), members.length ? make("section", { class: "others" }, make("h2", {}, "What it answered"), described(members)) : null].filter(Boolean);
}

function card(plan, [said, tone], footer) {
  return [
    state(said, tone, SHIELD),
    make("header", {}, make("h1", { class: "does" }, plain(plan.does ?? "What this does is not known.", 400)), naming(plan)),
    make("div", { class: "facts" }, reach(plan), undo(plan)),
    part("Removes", bullets(plan.removes, MOST_REMOVED, 1_200)),
    part("Asked because", bullets(plan.asked_because)),
    part("Usually meant instead", bullets(plan.usually_meant_instead)),
    part("Found just now", isObject(plan.found_now) ? described(facts(plan.found_now)) : null),
    part("Not known", bullets(plan.not_known)),
    part("Not shown here", bullets(plan.not_shown)),
    part("The request", isObject(plan.request) ? request(plan.request) : null),
    others(plan.written_by_others),
    footer,
  ].filter(Boolean);
}

function state(said, tone, path) {
  return make("p", { class: "state", "data-tone": tone, role: "status" },
    shape("svg", { viewBox: "0 0 24 24", width: 18, height: 18, fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" }, shape("path", { d: path })),
    make("span", {}, said));
}

function naming({ tool, permission, workspace, key }) {
  const place = [workspace ? `workspace ${plain(workspace, 80)}` : "", key ? `${plain(key, 40).replaceAll("_", " ")} key` : ""].filter(Boolean).join(", ");
  return make("p", { class: "tool quiet" }, make("code", {}, plain(tool ?? "", 80)),
    permission ? make("span", { class: "chip", "data-tone": TONES[permission] ?? "" }, plain(permission, 30)) : null, place);
}

/** How many people it would reach or touch; not mentioned where it touches none. */
function reach(plan) {
  if (!("audience" in plan)) return null;
  const combined = "audience_is" in plan;
  const verb = combined ? "The segments that it names hold" : plan.permission === "send" ? "Would reach" : "Would touch";
  const { audience, of } = plan;
  const count = numbers();
  const known = Number.isFinite(audience);
  const everybody = known && !combined && Number.isFinite(of) && audience >= of && of > 1;
  const number = !known ? "Not known" : audience === 0 ? "Nobody" : count.format(audience);
  const unit = !known ? "how many people" : audience === 0 ? "0 people now" : Number.isFinite(of) ? `of ${count.format(of)} people${everybody ? ": everybody there is" : ""}` : audience === 1 ? "person" : "people";
  return make("div", { class: "reach", "data-tone": !known || combined || everybody ? "bad" : "" }, make("h2", {}, verb), make("strong", {}, number), make("span", { class: "quiet" }, unit),
    combined ? make("span", {}, "Whom it would reach is not known: how they are combined does not show.") : null);
}

function undo({ undo: told }) {
  const text = plain(told ?? "Not known.", 400);
  const [, answer, rest] = /^(Yes|No)\b[.,]?\s*(.*)$/s.exec(text) ?? [null, null, text];
  const tone = answer === "No" ? "bad" : answer === "Yes" ? "good" : "warn";
  return make("div", { "data-tone": tone }, make("h2", {}, "Can it be undone?"), answer ? make("strong", {}, answer) : null, rest ? make("span", {}, rest.charAt(0).toUpperCase() + rest.slice(1)) : null);
}

function part(title, content) {
  return content ? make("section", { class: "part" }, make("h2", {}, title), content) : null;
}

function bullets(given, most = MOST, characters = 400) {
  const lines = list(given).slice(0, most);
  return lines.length ? make("ul", { class: "bullets" }, lines.map((line) => make("li", {}, theirs(line, characters)))) : null;
}

function facts(found, depth = 0) {
  return Object.entries(found).slice(0, MOST).map(([name, value]) => [words(name), fact(value, depth)]);
}

function fact(value, depth) {
  if (value === null) return "Not known";
  if (typeof value === "boolean") return value ? "Yes" : "No";
  if (typeof value === "number") return numbers().format(value);
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return theirs(value.slice(0, MOST).join(", ") || "None", 600);
  if (isObject(value) && depth < 3) return described(facts(value, depth + 1)) ?? "None";
  return theirs(value, 600);
}

function request(given) {
  const { method, host: place, path, headers, body, bytes } = given;
  const size = bytes ? `${numbers().format(bytes)} bytes` : "no body";
  const named = isObject(headers) ? Object.entries(headers).slice(0, MOST).map(([name, value]) => `${plain(name, 80)}: ${plain(value, 200)}`).join("\n") : "";
  const written = body === null || body === undefined ? "" : JSON.stringify(body, null, 2).slice(0, 8_000).split("\n").map((line) => plain(line)).join("\n");
  return make("div", { class: "request" },
    make("pre", { class: "line" }, make("bdi", {}, `${plain(method, 10)} ${plain(place, 100)}${plain(path, 600)}`)),
    make("p", { class: "quiet" }, size),
    named || written ? make("details", { open: Boolean(written) }, make("summary", {}, written ? "Headers and body" : "Headers"), make("pre", {}, make("bdi", {}, [named, written].filter(Boolean).join("\n\n")))) : null);
}

/** Names that others wrote stand last: they may be made to read like words of this card. */
function others(given) {
  const named = list(given).filter(isObject).slice(0, MOST);
  if (!named.length) return null;
  return make("section", { class: "others" },
    make("h2", {}, "Names written by others; they say nothing about this request"),
    make("ul", {}, named.map(({ what, text }) => make("li", {}, make("span", {}, plain(what, 80), ": "), theirs(text, 400)))));
}

begin(drawPlan);
