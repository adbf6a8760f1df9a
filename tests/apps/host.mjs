// A host made of the reference implementation's parts: its client, and its side of the protocol with documents.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { AppBridge, PostMessageTransport, RESOURCE_MIME_TYPE, getToolUiResourceUri, isToolVisibilityModelOnly } from "@modelcontextprotocol/ext-apps/app-bridge";

const UI = { "io.modelcontextprotocol/ui": { mimeTypes: [RESOURCE_MIME_TYPE] } };
let told = { sizes: [], calls: [], errors: [] };
let listed;
let client;
let bridge;

async function connected() {
  client = new Client({ name: "a-host", version: "1" }, { capabilities: { extensions: UI } });
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", location.href)));
  return client;
}

async function framed(resource) {
  const frame = document.createElement("iframe");
  frame.src = `${window.sandboxOrigin}/sandbox.html?csp=${encodeURIComponent(JSON.stringify(resource._meta?.ui?.csp ?? {}))}`;
  frame.title = "Document";
  document.body.append(frame);
  return frame;
}

/** Show the answer to a call; `result` stands in for the server's own where it is given. */
async function show({ tool: name, arguments: given = {}, result, context = {}, capabilities = { serverTools: {} }, silent = false }) {
  client ??= await connected();
  const tools = (listed ??= (await client.listTools()).tools);
  const tool = tools.find((each) => each.name === name);
  const uri = getToolUiResourceUri(tool);
  const { contents: [resource] } = await client.readResource({ uri });
  if (resource.mimeType !== RESOURCE_MIME_TYPE) throw new Error(`not an app: ${resource.mimeType}`);
  const frame = await framed(resource);
  const hostContext = { toolInfo: { id: 1, tool }, displayMode: "inline", availableDisplayModes: ["inline"], containerDimensions: { maxHeight: 4000 }, locale: "en-GB", timeZone: "UTC", ...context };
  if (hostContext.theme) document.documentElement.dataset.theme = hostContext.theme;
  bridge = new AppBridge(null, { name: "a-host", version: "1" }, capabilities, { hostContext });
  bridge.oncalltool = async (params) => {
    told.calls.push(params);
    const called = tools.find((each) => each.name === params.name);
    if (!called || isToolVisibilityModelOnly(called)) throw new Error("not for documents");
    return client.callTool(params);
  };
  bridge.onsizechange = ({ height }) => {
    told.sizes.push(height);
    frame.style.height = `${Math.min(4000, height) + 2}px`;
  };
  bridge.onerror = (error) => told.errors.push(String(error));
  const begun = new Promise((resolve) => { bridge.oninitialized = resolve; });
  const ready = new Promise((resolve) => { bridge.onsandboxready = resolve; });
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  await ready;
  await bridge.sendSandboxResourceReady({ html: resource.text, csp: resource._meta?.ui?.csp });
  await begun;
  told.app = { version: bridge.getAppVersion(), capabilities: bridge.getAppCapabilities() };
  await bridge.sendToolInput({ arguments: given });
  if (silent) return told;
  await bridge.sendToolResult(result ?? await client.callTool({ name, arguments: given }));
  return told;
}

window.host = {
  show,
  get told() { return told; },
  clear: () => {
    document.querySelectorAll("iframe").forEach((each) => each.remove());
    delete document.documentElement.dataset.theme;
    told = { sizes: [], calls: [], errors: [] };
  },
  change: (context) => {
    if (context.theme) document.documentElement.dataset.theme = context.theme;
    return bridge.sendHostContextChange(context);
  },
  again: (result) => bridge.sendToolResult(result),
  cancel: () => bridge.sendToolCancelled({ reason: "user" }),
  end: () => bridge.teardownResource({}),
  call: async (params) => (client ??= await connected()).callTool(params),
};
