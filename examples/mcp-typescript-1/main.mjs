// Customer.io through the client of MCP's TypeScript SDK, 1.x.

import { randomUUID } from "node:crypto";
import process from "node:process";
import { createInterface } from "node:readline/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

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

const client = new Client({ name: "example", version: "1" }, { capabilities: { elicitation: { form: {} } } });
// Answers the server's question before something that cannot be undone; over stdio only, see `deletePerson`.
client.setRequestHandler(ElicitRequestSchema, async ({ params }) =>
  (await agreed(params.message)) ? { action: "accept", content: { confirm: true } } : { action: "decline" },
);
await client.connect(
  command.startsWith("http")
    ? new StreamableHTTPClientTransport(new URL(command))
    : new StdioClientTransport({ command, args, env }),
);
const call = (name, given) => client.callTool({ name, arguments: given });

// Over HTTP without `--sessions` the server cannot ask, and answers with a plan and a token.
async function deletePerson(identifier) {
  const gone = await call("delete_person", { identifier });
  const { confirm_token, plan } = gone.structuredContent.error ?? {};
  if (!confirm_token) return !gone.isError;
  if (!(await agreed(`${plan.does} ${plan.undo}`))) return false;
  return !(await call("delete_person", { identifier, confirm_token })).isError;
}

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

// A person is asked first.
console.log("deleted:", await deletePerson("bob-2"));
await client.close();
