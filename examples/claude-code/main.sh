#!/usr/bin/env bash
# Customer.io in Claude Code, without its screen. `npm install`, log in once with `npm exec -- claude`, and then
# `npm exec -- bash main.sh`.
set -euo pipefail

# An address or a command: `main.sh http://127.0.0.1:8000/mcp`,
# `main.sh cio-mcp serve --sandbox --profile admin --ledger "$PWD/trial.sqlite3" --confirm token`.
# Without its screen Claude Code says no to whatever a server asks, so this server answers with a plan and a token.
[ $# -gt 0 ] || set -- cio-mcp serve --sandbox --ledger "$PWD/trial.sqlite3" --confirm token

claude mcp remove customerio >/dev/null 2>&1 || true
if [[ $1 == http* ]]; then
    claude mcp add --transport http customerio "$1"
else
    claude mcp add customerio -- "$@"
fi
claude mcp list

export MCP_CONNECTION_NONBLOCKING=0 # the first answer waits for the server
say() { claude --print "$@" --allowedTools mcp__customerio </dev/null; }

say "Use customerio, one call after the other. Say how many tools it has. Read the attributes of person ada-1. Track the
event trial_extended for ada-1, with data {\"days\": 7}. Send transactional message 1 to ada@example.com, who is id ada-1.
Call suppress_person with {\"identifier\": \"bob-2\", \"dryRun\": true}, and say why it is refused. Call delete_person for
bob-2, show the plan, and stop there."

# A person is asked first.
echo -n "Do it? [y/N] "
read -r answer
[ "$answer" = y ] || exit 0
say --continue "I agree to the deletion: make that call again, with the confirm_token that you were given."
