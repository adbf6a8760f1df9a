// Customer.io through the client of MCP's TypeScript SDK, 2.x.

import { randomUUID } from "node:crypto";
import process from "node:process";
import { createInterface } from "node:readline/promises";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

// An address or a command: `main.mjs http://127.0.0.1:8000/mcp`, `main.mjs cio-mcp serve --sandbox --profile admin`
const [command, ...args] = process.argv.length > 2 ? process.argv.slice(2) : ["cio-mcp", "serve", "--sandbox"];
// A client hands its server only a few variables of its environment, so the keys are passed on by name.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("CUSTOMERIO_")));

async function agreed(question) {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${question}\nDo it? [y/N] `);
  terminal.close();
  return answer === "y";
}

const client = new Client(
  { name: "example", version: "1" },
  // The newest protocol: its servers can ask over HTTP too.
  { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: { pin: "2026-07-28" } } },
);
// Answers the server's question before something that cannot be undone.
client.setRequestHandler("elicitation/create", async ({ params }) =>
  (await agreed(params.message)) ? { action: "accept", content: { confirm: true } } : { action: "decline" },
);
await client.connect(
  command.startsWith("http")
    ? new StreamableHTTPClientTransport(new URL(command))
    : new StdioClientTransport({ command, args, env }),
);
const call = (name, given) => client.callTool({ name, arguments: given });

const { tools } = await client.listTools();
console.log("listed:", tools.length, "tools");

const ada = await call("get_person_attributes", { customer_id: "ada-1" });
console.log("read:", ada.structuredContent.customer.attributes.plan);

const event = await call("track_event", { identifier: "ada-1", name: "trial_extended", data: { days: 7 } });
console.log("tracked:", event.structuredContent.id);

const receipt = await call("send_email", {
  to: "ada@example.com",
  identifiers: { id: "ada-1" },
  transactional_message_id: 1,
  // The same send within ten minutes is held back, so each receipt says which order it is of.
  message_data: { order: randomUUID() },
});
console.log("sent:", receipt.structuredContent.delivery_id);

// A misspelt safety switch is refused by name; nothing was sent.
const misspelt = await call("suppress_person", { identifier: "bob-2", dryRun: true });
console.log("refused:", misspelt.structuredContent.error.message);

// A person is asked first, while this call waits.
const gone = await call("delete_person", { identifier: "bob-2" });
console.log("deleted:", !gone.isError);
await client.close();
