"use strict";

// Text of others becomes text and nothing else: nodes are made here, and filled with textContent alone.

const EVERY = 1000, SLOWEST = 5000, PATIENCE = 5000, SAMPLES = 60, FIRST_CALLS = 25, ARMED_AFTER = 500;
const BUCKETS = {
  track: "Track API", app: "App API", email: "send_email", transactional: "Push, SMS, in-app",
  broadcast: "Broadcast triggers",
};
const PLAN = {
  key: "Key", asked_because: "Asked because", undo: "Can it be undone?",
  usually_meant_instead: "Usually meant instead", found_now: "Found just now", not_known: "Not known",
};
const SHOWN_ELSEWHERE = new Set(["tool", "permission", "workspace", "does", "audience", "of", "audience_is", "request", "written_by_others"]);
const CALL = {
  operation: "Operation", principal: "Agent", workspace: "Workspace", caller: "Client says it is", rule: "Rule", approval: "Confirmed by",
  by: "Decided by", arguments: "Arguments, redacted", recipients: "Recipients", credential: "Key", status: "HTTP status",
  code: "Error", attempts: "Attempts", waited: "Waited, s", made: "Made", settled_by: "Looked for",
};
const KEPT_FOR = { destructive: "destructive", send: "send", write: "write" };

const $ = (id) => document.getElementById(id);
const updates = new WeakMap();
const rates = new Map();
let failures = 0, heardAt = 0, serverAt = 0, timer = 0, session = { asks: false, signed_in: false };
let showsAll = false, calls = [], stays = null, asked = new Set(), isAlone = true;

// -- making nodes

function el(name, members, ...children) {
  const node = document.createElement(name);
  for (const [member, value] of Object.entries(members || {})) {
    if (member === "class") node.className = value;
    else if (member === "data") Object.assign(node.dataset, value);
    else node[member] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function svg(name, members) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [member, value] of Object.entries(members)) node.setAttribute(member, value);
  return node;
}

const quoted = (text) => el("bdi", { textContent: String(text) });

function put(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

function mark(node, name, value) {
  if (node.dataset[name] !== String(value)) node.dataset[name] = value;
}

// The workspace, where there are several.
const placed = (workspace) => (isAlone ? "" : `${workspace} · `);

function chip(kind, text) {
  return el("span", { class: "chip", data: { kind }, textContent: text || kind });
}

// Keeps the nodes of what is still there, so that focus, open details and half-made decisions stay.
function sync(parent, items, keyOf, make) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = old.get(key);
    if (!node) {
      const made = make(item);
      node = made.node;
      node.dataset.key = key;
      updates.set(node, made.update);
    }
    old.delete(key);
    updates.get(node)(item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of old.values()) {
    if (node === place) place = place.nextElementSibling;
    node.remove();
  }
}

// -- words

const number = (value) => Number(value).toLocaleString("en");
const words = (name) => name.replaceAll("_", " ");
const plural = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;

function span(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function when(seconds) {
  const date = new Date(seconds * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  const time = date.toLocaleTimeString("en-GB");
  const text = isToday ? time : date.toLocaleDateString("en-GB", { day: "numeric", month: "short" }) + " " + time.slice(0, 5);
  return el("time", { class: "when", dateTime: date.toISOString(), title: date.toISOString(), textContent: text });
}

// -- a plan, and whatever else is an object

function value(given) {
  if (given === null || given === undefined) return el("span", { class: "soft", textContent: "not known" });
  if (typeof given === "boolean") return el("span", { textContent: given ? "yes" : "no" });
  if (typeof given === "number") return el("span", { textContent: number(given) });
  if (Array.isArray(given)) {
    if (!given.length) return el("span", { class: "soft", textContent: "none" });
    return el("ul", {}, ...given.map((item) => el("li", {}, value(item))));
  }
  if (typeof given === "object") {
    return el("dl", { class: "plan" }, ...Object.entries(given).flatMap(([name, member]) => pairOf(words(name), value(member))));
  }
  return quoted(given);
}

function pairOf(name, node) {
  return [el("dt", {}, quoted(name)), el("dd", {}, node)];
}

function planOf(plan) {
  const list = el("dl", { class: "plan" });
  for (const [name, title] of Object.entries(PLAN)) if (name in plan) list.append(...pairOf(title, value(plan[name])));
  for (const [name, member] of Object.entries(plan)) {
    if (!(name in PLAN) && !SHOWN_ELSEWHERE.has(name)) list.append(...pairOf(words(name), value(member)));
  }
  if (plan.written_by_others) {
    const names = plan.written_by_others.map((each) => el("li", {}, quoted(each.what), ": ", quoted(each.text)));
    list.append(...pairOf("Written by others", el("ul", { class: "others" }, ...names)));
  }
  if (plan.request) {
    const { method, host, path, body, headers, ...rest } = plan.request;
    const lines = [`${method} ${host}${path}`];
    for (const [name, member] of Object.entries(headers || {})) lines.push(`${name}: ${member}`);
    if (body !== null && body !== undefined) lines.push("", JSON.stringify(body, null, 2));
    list.append(...pairOf(`Request, ${number(rest.bytes || 0)} bytes`, el("pre", { textContent: lines.join("\n") })));
  }
  return list;
}

function reach(plan, audience) {
  if (!("audience" in plan)) return "";
  const does = plan.permission === "send" ? "Would reach" : "Would touch";
  if (audience === null || audience === undefined) return `${does} a number of people that is NOT KNOWN.`;
  if (plan.audience_is) return `${does} a number of people that is NOT KNOWN; the segments that it names hold ${number(audience)}${plan.of ? ` of ${number(plan.of)}` : ""}.`;
  if (audience === 0) return `${does} nobody now.`;
  const everybody = plan.of && audience >= plan.of && audience > 1 ? ", everybody there is" : "";
  return `${does} ${plan.of ? `${number(audience)} of ${number(plan.of)} people` : plural(audience, "person", "people")}${everybody}.`;
}

// -- what waits

function askOf(item) {
  const left = el("span", { class: "left" });
  const top = el("div", { class: "ask-top" },
    el("h3", {}, quoted(item.tool)), chip(KEPT_FOR[item.plan.permission] || "plain", item.plan.permission || "write"), left);
  const who = el("p", { class: "soft" }, "Asked by ", quoted(item.principal), " in ", quoted(item.workspace), ` · ${item.operation}`);
  const reached = reach(item.plan, item.audience);
  const deciding = el("div", { class: "deciding" });
  const node = el("article", { class: "ask" }, top, who,
    el("p", { class: "does" }, quoted(item.plan.does || "")),
    reached ? el("p", { class: "reach", textContent: reached }) : null,
    planOf(item.plan), deciding);
  node.setAttribute("aria-label", `${item.tool} waits`);
  offer(deciding, item);
  return { node, update: (now) => {
    put(left, `${clock(now.expires_in)} left`);
    mark(left, "soon", now.expires_in < 60);
  } };
}

function offer(deciding, item) {
  if (!session.signed_in) {
    deciding.replaceChildren(el("p", {}, "Decide at a terminal: ", el("code", { textContent: `cio-mcp approve ${item.operation}` })));
    return;
  }
  const approve = el("button", { class: "primary", type: "button", textContent: "Approve…" });
  const reject = el("button", { class: "danger", type: "button", textContent: "Reject" });
  approve.addEventListener("click", () => arm(deciding, item));
  reject.addEventListener("click", () => decide("reject", item, deciding));
  deciding.replaceChildren(approve, reject);
}

function arm(deciding, item) {
  const armedAt = performance.now();
  const yes = el("button", { class: "primary", type: "button", textContent: `Yes, approve ${item.tool}` });
  const back = el("button", { type: "button", textContent: "Back" });
  yes.addEventListener("click", () => {
    // A key that is held down presses what has the focus again and again.
    if (performance.now() - armedAt > ARMED_AFTER) decide("approve", item, deciding);
  });
  back.addEventListener("click", () => { offer(deciding, item); deciding.querySelector("button").focus(); });
  deciding.replaceChildren(el("p", { class: "sure", textContent: "Let exactly this call pass, once?" }), yes, back);
  yes.focus();
}

async function decide(what, item, deciding) {
  for (const button of deciding.querySelectorAll("button")) button.disabled = true;
  try {
    const answer = await ask("POST", `console/${what}`, { id: item.id });
    if (!answer.ok) throw new Error(await complaint(answer));
    say(what === "approve"
      ? `Approved ${item.tool}. The agent goes on, or makes the same call once more.`
      : `Rejected ${item.tool}. Nothing is sent.`);
  } catch (error) {
    say(`Not decided: ${error.message}`, "bad");
    offer(deciding, item);
  }
  $("pending-title").focus();
  poll();
}

// -- what happens now

function flightOf(item) {
  const end = el("span", { class: "end" }), who = el("p", { class: "who" });
  const node = el("li", { class: "row" }, el("div", { class: "row-top" }, el("span", { class: "tool" }, quoted(item.tool)),
    chip(KEPT_FOR[item.permission] || "plain", item.permission), end), who);
  return { node, update: (now) => {
    put(end, `${now.seconds.toFixed(1)} s`);
    const stage = asked.has(now.operation) ? "waits for approval"
      : now.attempts ? plural(now.attempts, "attempt", "attempts") : "nothing sent yet";
    put(who, `${now.principal} · ${placed(now.workspace)}${stage}${now.waited >= 0.05 ? ` · waited ${span(now.waited)}` : ""}`);
  } };
}

function budgetOf(item) {
  const [key, bucket] = item.name.split("/");
  const of = el("span", { class: "of" }), text = el("p", { class: "text" }), fill = svg("rect", { height: 1, width: 0 });
  const gauge = svg("svg", { class: "gauge", viewBox: "0 0 100 1", preserveAspectRatio: "none", role: "img" });
  gauge.append(fill);
  const line = svg("path", { d: "" });
  const spark = svg("svg", { class: "spark", viewBox: `0 0 ${SAMPLES - 1} 20`, preserveAspectRatio: "none", "aria-hidden": "true" });
  spark.append(line);
  const node = el("li", { class: "budget" },
    el("div", { class: "budget-top" }, el("span", { class: "name" }, quoted(BUCKETS[bucket] || item.name)),
      of),
    gauge, el("div", { class: "budget-end" }, el("p", { class: "cut" }, quoted(`${placed(item.workspace)}key ${key}`)), spark), text);
  return { node, update: (now) => {
    const used = Math.max(0, now.effective - now.available), share = now.effective ? used / now.effective : 1;
    put(of, `${number(used)} of ${number(now.effective)} used`);
    fill.setAttribute("width", Math.min(100, 100 * share));
    gauge.setAttribute("aria-label", `${Math.round(100 * share)} percent used`);
    put(text, budgetText(now));
    mark(node, "state", now.paused_for ? "bad" : now.queued || share >= 0.9 ? "warn" : "good");
    line.setAttribute("d", sparkline(rates.get(`${now.workspace}/${now.name}`) || []));
  } };
}

function budgetText(now) {
  const parts = [`${number(now.limit)} per ${now.window === 1 ? "second" : `${number(now.window)} s`}`];
  if (now.effective !== now.limit) parts.push(`lowered to ${number(now.effective)}`);
  if (now.queued) parts.push(`${number(now.queued)} waiting, next slot in ${span(now.next_free)}`);
  if (now.paused_for) parts.push(`paused for ${span(now.paused_for)}`);
  if (now.refused_429) parts.push(`${number(now.refused_429)} × 429`);
  parts.push(`${number(now.granted)} since the start`);
  return parts.join(" · ");
}

function sparkline(samples) {
  const most = Math.max(1, ...samples), whole = [...Array(SAMPLES - samples.length).fill(0), ...samples];
  const points = whole.map((sample, index) => `${index} ${(19 - 18 * sample / most).toFixed(2)}`);
  return `M-1 21 L-1 19 L${points.join(" L")} L${SAMPLES} 21 Z`;
}

// Requests granted since the last look, for the small curves; kept by the page alone.
function sample(budgets) {
  for (const each of budgets) {
    const name = `${each.workspace}/${each.name}`, before = rates.get(name) || [];
    const passed = before.granted === undefined ? 0 : Math.max(0, each.granted - before.granted);
    const samples = [...before, passed].slice(-SAMPLES);
    samples.granted = each.granted;
    rates.set(name, samples);
  }
}

// -- what is known of the past

function unknownOf(item) {
  const note = el("p", { class: "who" });
  const node = el("li", { class: "row" }, el("div", { class: "row-top" }, el("span", { class: "tool" }, quoted(item.tool)),
    el("span", { class: "end" }, when(item.started_at))), note, el("p", { class: "who" }, el("code", { textContent: item.operation })));
  return { node, update: (now) => {
    put(note, `${now.principal} · ${placed(now.workspace)}${now.looked_for ? `looked for in vain: ${now.looked_for}` : "nobody has looked yet"}`);
  } };
}

function callOf(item) {
  return item.kind === "call" ? lineOf(item) : eventOf(item);
}

function eventOf(item) {
  const told = { stop: "Writes were stopped", resume: "Writes were let pass again", created: "The record begins",
    checkpoint: "Old records were removed" }[item.kind] || words(item.kind);
  const more = [item.by && `by ${item.by}`, item.reason].filter(Boolean).join(": ");
  return { node: el("li", { class: "event" }, when(item.at), quoted(more ? `${told}, ${more}` : told)), update: () => {} };
}

function lineOf() {
  const cells = Object.fromEntries(["when", "what", "who", "decision", "outcome", "took"].map((name) => [name, el("span", { class: name })]));
  const summary = el("summary", {}, ...Object.values(cells)), more = el("dl", { class: "plan" });
  const details = el("details", { class: "call" }, summary, more), node = el("li", {}, details);
  let drawn = "";
  return { node, update: (now) => {
    const looks = JSON.stringify(now);
    if (looks === drawn) return;
    drawn = looks;
    cells.when.replaceChildren(when(now.at));
    cells.what.replaceChildren(el("span", { class: "tool" }, quoted(now.tool || "")), chip(KEPT_FOR[now.access] || "plain", now.access || "question"));
    cells.who.replaceChildren(...[now.principal, isAlone ? "" : now.workspace].filter(Boolean).map((each) => el("span", { class: "cut" }, quoted(each))));
    cells.decision.replaceChildren(quoted(now.decision));
    cells.outcome.replaceChildren(chip(now.state), now.code && now.code !== now.state ? el("span", { class: "code" }, quoted(words(now.code))) : "");
    put(cells.took, now.took === undefined ? "" : now.took < 10 ? `${now.took.toFixed(2)} s` : span(now.took));
    const shown = Object.entries(CALL).filter(([name]) => now[name] !== undefined && now[name] !== "");
    more.replaceChildren(...shown.flatMap(([name, title]) => pairOf(title, value(now[name]))));
  } };
}

// -- the whole

function draw(state) {
  const record = state.record;
  about(state.server);
  sample(state.budgets);
  asked = new Set(record ? record.pending.map((each) => each.operation) : []);
  sync($("now-list"), state.now, (each) => each.operation, flightOf);
  sync($("budgets-list"), state.budgets, (each) => `${each.workspace}/${each.name}`, budgetOf);
  put($("now-count"), state.under_way ? number(state.under_way) : "");
  $("now-empty").hidden = state.now.length > 0;
  $("budgets-empty").hidden = state.budgets.length > 0;
  if (record) {
    tiles(record);
    waiting(record);
    sync($("unknown-list"), record.unknown, (each) => each.operation, unknownOf);
    put($("unknown-count"), record.unknown.length ? number(record.unknown.length) : "");
    $("unknown").hidden = !record.unknown.length;
    calls = record.calls;
    list();
    put($("chain-head"), record.chain.head);
  } else {
    unread();
  }
  document.title = record && record.waiting ? `(${record.waiting}) cio-mcp` : "cio-mcp";
  $("board").hidden = false;
}

function about(server) {
  isAlone = server.workspaces.length < 2;
  const parts = [server.version, `agent ${server.agent}`, server.workspaces.join(", "), `confirm ${server.confirm}`];
  if (server.sandbox && !server.workspaces.includes("sandbox")) parts.push("sandbox");
  if (server.read_only) parts.push("read-only");
  put($("about"), parts.join(" · "));
}

function tile(name, state, text, note) {
  const [, strong, small] = $(`tile-${name}`).children;
  mark($(`tile-${name}`), "state", state);
  put(strong, text);
  put(small, note);
}

function tiles(record) {
  const stop = record.stop, chain = record.chain;
  if (stop) tile("writes", "bad", "Stopped", `for ${span(Math.max(0, serverAt - stop.since))}${stop.reason ? `: ${stop.reason}` : ""}`);
  else tile("writes", "good", "Allowed", "no stop is in force");
  tile("pending", record.waiting ? "warn" : "good", number(record.waiting), record.waiting ? "plans to read below" : "nothing to decide");
  const unlooked = record.unknown.filter((each) => !each.looked_for).length;
  tile("unknown", record.unknown.length ? "warn" : "good", number(record.unknown.length),
    record.unknown.length ? `${number(unlooked)} not looked for yet` : "every outcome is known");
  const verified = `verified ${span(chain.age || 0)} ago`;
  if (chain.state === "holds") tile("chain", "good", "Holds", `${plural(chain.records, "record", "records")}, ${verified}`);
  else if (chain.state === "broken") tile("chain", "bad", "Broken", `${chain.text}; ${verified}`);
  else if (chain.state === "not verified") tile("chain", "warn", "Not verified", chain.text);
  else tile("chain", "none", "Verifying…", "the first time since the start");
}

// Without the record nothing of the past is known, and what was known a moment ago may be so no more.
function unread() {
  for (const name of ["writes", "pending", "unknown", "chain"]) tile(name, "warn", "Not known", "the record cannot be read");
  for (const id of ["pending-list", "unknown-list", "calls-list"]) $(id).replaceChildren();
  for (const id of ["pending-hint", "unknown", "calls-more"]) $(id).hidden = true;
  calls = [];
  for (const id of ["pending-empty", "calls-empty"]) {
    $(id).hidden = false;
    put($(id), "The record cannot be read.");
  }
  put($("chain-head"), "not known");
}

function waiting(record) {
  sync($("pending-list"), record.pending, (each) => each.id, askOf);
  $("pending-empty").hidden = record.pending.length > 0;
  put($("pending-empty"), "Nothing waits for you.");
  $("pending-hint").hidden = !record.pending.length || session.signed_in;
  put($("pending-hint"), "This page only shows, and leaves out the names in plans: set CIO_MCP_CONSOLE_KEY to sign in, read them and decide here, or type cio-mcp pending.");
}

function list() {
  const wanted = $("filter").value.trim().toLowerCase();
  const found = wanted ? calls.filter((each) => JSON.stringify(each).toLowerCase().includes(wanted)) : calls;
  const shown = showsAll || wanted ? found : found.slice(0, FIRST_CALLS);
  sync($("calls-list"), shown, (each) => each.key, callOf);
  $("calls-empty").hidden = shown.length > 0;
  put($("calls-empty"), wanted ? "No recent call contains that." : "No call has been made yet.");
  $("calls-more").hidden = shown.length === found.length;
  put($("calls-more"), `Show all ${found.length}`);
}

// -- asking the server

function ask(method, path, body) {
  return fetch(path, {
    method, cache: "no-store", credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(PATIENCE),
    headers: { "Content-Type": "application/json", "X-CIO-MCP-Console": "1" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

async function complaint(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `the server answered ${answer.status}`;
  }
}

function say(text, kind) {
  clearTimeout(stays);
  $("said").dataset.kind = kind || "good";
  put($("said"), text);
  stays = setTimeout(() => put($("said"), ""), 8000);
}

function alarm(title, text) {
  $("alert").hidden = !title;
  put($("alert-title"), title);
  put($("alert-text"), text);
}

function lost(reason) {
  failures += 1;
  mark(document.body, "stale", true);
  mark($("pulse"), "state", "lost");
  put($("heard"), "No answer");
  const from = heardAt ? ` What is shown is from ${new Date(heardAt).toLocaleTimeString("en-GB")}.` : "";
  alarm("This server does not answer.", `${reason}${from} Trying again.`);
  for (const button of document.querySelectorAll(".deciding button")) button.disabled = true;
}

function heard(state) {
  const wasLost = failures > 0;
  failures = 0;
  heardAt = Date.now();
  serverAt = state.at;
  mark(document.body, "stale", false);
  mark($("pulse"), "state", "live");
  put($("heard"), `Live, ${new Date(heardAt).toLocaleTimeString("en-GB")}`);
  if (state.problem) alarm("The record cannot be read.", `Nothing that must be recorded is sent. ${state.problem}`);
  else alarm("", "");
  if (wasLost) for (const button of document.querySelectorAll(".deciding button")) button.disabled = false;
}

async function poll() {
  clearTimeout(timer);
  if (session.asks && !session.signed_in) return;
  try {
    const answer = await ask("GET", "console/state");
    if (answer.status === 401) return enter();
    if (!answer.ok) throw new Error(await complaint(answer));
    const state = await answer.json();
    heard(state);
    draw(state);
  } catch (error) {
    lost(error instanceof TypeError || error.name === "TimeoutError" ? "" : `${error.message}.`);
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(poll, Math.min(SLOWEST, EVERY * 2 ** Math.min(failures, 3)));
}

async function enter() {
  clearTimeout(timer);
  try {
    session = await (await ask("GET", "console/session")).json();
  } catch {
    lost("");
    timer = setTimeout(enter, EVERY * 2);
    return;
  }
  const mustSignIn = session.asks && !session.signed_in;
  $("sign-in").hidden = !mustSignIn;
  $("sign-out").hidden = !session.signed_in;
  if (mustSignIn) {
    failures = 0;
    alarm("", "");
    $("board").hidden = true;
    $("pending-list").replaceChildren();
    mark(document.body, "stale", false);
    mark($("pulse"), "state", "waiting");
    put($("heard"), "Signed out");
    put($("about"), "Operator’s page");
    $("key").focus();
    return;
  }
  poll();
}

$("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = $("key").value.trim();
  put($("sign-in-error"), "");
  try {
    const answer = await ask("POST", "console/session", { key });
    if (!answer.ok) throw new Error(await complaint(answer));
    $("key").value = "";
    await enter();
    $("main").focus();
  } catch (error) {
    put($("sign-in-error"), error instanceof TypeError ? "The server does not answer." : error.message);
    $("key").select();
  }
});
$("sign-out").addEventListener("click", async () => {
  try {
    await ask("DELETE", "console/session");
  } finally {
    enter();
  }
});
$("filter").addEventListener("input", list);
$("calls-more").addEventListener("click", () => { showsAll = true; list(); $("calls-title").closest("section").querySelector("summary").focus(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
enter();
