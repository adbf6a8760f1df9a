// The protocol of MCP Apps with whoever shows this document (SEP-1865, revision 2026-01-26).

const PROTOCOL = "2026-01-26";
const COLOURS = ["--color-background-primary", "--color-text-primary", "--color-border-primary"];
const host = { context: {}, capabilities: {} };
const call = { arguments: {}, result: null, cancelled: false };
const waiting = new Map();
let lastId = 0;
let draw = () => {};

function post(message) {
  // Whoever frames this document is its host; which origin it has cannot be known, and nothing secret is said.
  window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
}

function ask(method, params) {
  const id = ++lastId;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    post({ id, method, params });
  });
}

/** Call the tool of this document again; null where the host does not let documents call. */
function caller() {
  const tool = host.context.toolInfo?.tool;
  if (!isObject(host.capabilities.serverTools) || typeof tool?.name !== "string") return null;
  return (given) => ask("tools/call", { name: tool.name, arguments: given });
}

function taken(context) {
  Object.assign(host.context, context);
  const root = document.documentElement;
  const { theme, styles, safeAreaInsets } = context;
  if (theme === "light" || theme === "dark") root.style.colorScheme = theme;
  if (isObject(styles?.variables)) dress(root, styles.variables);
  for (const [side, pixels] of Object.entries(isObject(safeAreaInsets) ? safeAreaInsets : {})) {
    if (Number.isFinite(pixels)) root.style.setProperty(`--inset-${side}`, `${pixels}px`);
  }
}

/** Take the host's look; its colours all or none, since some of them beside some of ours may not be readable. */
function dress(root, variables) {
  const colours = COLOURS.every((name) => typeof variables[name] === "string");
  for (const [name, value] of Object.entries(variables)) {
    const wanted = name.startsWith("--color-") ? colours : /^--(font|border-radius)-/.test(name);
    if (wanted && typeof value === "string") root.style.setProperty(name, value);
  }
}

// A look is the style sheet's business: what is drawn anew would lose its focus.
const WRITTEN_BY = ["locale", "timeZone", "toolInfo"];

const NOTICES = new Map([
  ["ui/notifications/tool-input", (params) => { call.arguments = isObject(params.arguments) ? params.arguments : {}; }],
  ["ui/notifications/tool-result", (params) => { call.result = params; redraw(); }],
  ["ui/notifications/tool-cancelled", () => { call.cancelled = true; redraw(); }],
  ["ui/notifications/host-context-changed", (params) => { taken(params); if (call.result && WRITTEN_BY.some((name) => name in params)) redraw(); }],
]);

function redraw() {
  const main = document.getElementById("main");
  const result = call.result;
  main.removeAttribute("aria-busy");
  if (!result) {
    main.replaceChildren(make("p", { class: "quiet waiting" }, "The call was cancelled."));
  } else {
    const told = isObject(result.structuredContent) ? result.structuredContent : {};
    const drawn = draw(told, result);
    main.replaceChildren(...(drawn ?? [failure(told.error ?? { message: "The answer has nothing that can be drawn." })]));
  }
}

/** Have a text read out; what is drawn anew would not be. */
function say(text) {
  document.getElementById("said").textContent = text;
}

function answered({ id, result, error }) {
  const asked = waiting.get(id);
  waiting.delete(id);
  if (error) asked?.reject(new Error(plain(error.message ?? "refused", 200)));
  else asked?.resolve(result);
}

function asked({ id, method }) {
  const known = method === "ping" || method === "ui/resource-teardown";
  post(known ? { id, result: {} } : { id, error: { code: -32601, message: "Method not found" } });
}

window.addEventListener("message", ({ source, data }) => {
  if (source !== window.parent || !isObject(data) || data.jsonrpc !== "2.0") return;
  if (data.method === undefined) answered(data);
  else if (data.id !== undefined) asked(data);
  else NOTICES.get(data.method)?.(isObject(data.params) ? data.params : {});
});

function watchSize() {
  let last = "";
  new ResizeObserver(() => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    const size = { width: window.innerWidth, height };
    if (last === (last = JSON.stringify(size))) return;
    post({ method: "ui/notifications/size-changed", params: size });
  }).observe(document.body);
}

/** Shake hands, and draw each answer with `drawing(told, result)`, which returns nodes, or null if it cannot. */
async function begin(drawing) {
  draw = drawing;
  const told = await ask("ui/initialize", {
    protocolVersion: PROTOCOL,
    appInfo: { name: "cio-mcp", version: "1" },
    appCapabilities: { availableDisplayModes: ["inline"] },
  });
  host.capabilities = isObject(told?.hostCapabilities) ? told.hostCapabilities : {};
  taken(isObject(told?.hostContext) ? told.hostContext : {});
  post({ method: "ui/notifications/initialized", params: {} });
  watchSize();
}

function numbers(options = {}) {
  return formatter(Intl.NumberFormat, options);
}

function dates(options, timeZone) {
  return formatter(Intl.DateTimeFormat, { ...options, timeZone: timeZone ?? host.context.timeZone });
}

/** As the user's own language writes it, or as English does if the host names one that is none. */
function formatter(Kind, options) {
  for (const [locale, more] of [[host.context.locale, options], ["en", options], ["en", { ...options, timeZone: "UTC" }]]) {
    try {
      return new Kind(locale, more);
    } catch { /* the next one */ }
  }
  return new Kind("en");
}

/** When the call was made, which the ULID of its operation tells; null if the host kept that back. */
function calledAt(result) {
  const id = result?._meta?.["cio-mcp/call"]?.operation;
  if (typeof id !== "string" || !/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(id)) return null;
  const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  return [...id.slice(0, 10)].reduce((sum, digit) => sum * 32 + digits.indexOf(digit), 0);
}
