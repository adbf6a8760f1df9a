#!/usr/bin/env bash
# Customer.io through the command line of MCP Inspector. `npm install`, and then `npm exec -- bash main.sh`.
set -euo pipefail

# An address or a command: `main.sh http://127.0.0.1:8000/mcp`,
# `main.sh cio-mcp serve --sandbox --profile admin --ledger "$PWD/trial.sqlite3"`.
server=("$@")
# Without an address the server is started anew for each call, so what it knows of the last one lies in a file.
[ $# -gt 0 ] || server=(cio-mcp serve --sandbox --ledger "$PWD/trial.sqlite3")
# Variables are passed on by name. All users of a machine see arguments: give real keys as CUSTOMERIO_..._FILE.
variables=()
for name in "${!CUSTOMERIO_@}"; do variables+=(-e "$name=${!name}"); done

inspect() {
    mcp-inspector --cli --format json --quiet --connect-timeout 60000 ${variables[@]+"${variables[@]}"} "$@" -- "${server[@]}"
}
call() { # TOOL ARGUMENTS
    inspect --method tools/call --tool-name "$1" --tool-args-json "$2" 2>/dev/null || [ $? -eq 5 ] # the tool's own error
}
member() { # of what is on standard input
    node -p "JSON.parse(require('fs').readFileSync(0)).result.$1"
}

echo "listed: $(inspect --method tools/list --strict | member tools.length) tools"

call get_person_attributes '{"customer_id": "ada-1"}' |
    member "structuredContent.customer.attributes.plan" | sed "s/^/read: /"

call track_event '{"identifier": "ada-1", "name": "trial_extended", "data": {"days": 7}}' |
    member "structuredContent.id" | sed "s/^/tracked: /"

# The same send within ten minutes is held back, so each receipt says which order it is of.
receipt='"to": "ada@example.com", "identifiers": {"id": "ada-1"}, "transactional_message_id": 1'
call send_email "{$receipt, \"message_data\": {\"order\": \"$(date +%s%N)\"}}" |
    member "structuredContent.delivery_id" | sed "s/^/sent: /"

# A misspelt safety switch is refused by name; nothing was sent.
call suppress_person '{"identifier": "bob-2", "dryRun": true}' |
    member "structuredContent.error.message" | sed "s/^/refused: /"

# A person is asked first. Inspector's command line cannot ask, so the server answers with a plan and a token.
plan=$(call delete_person '{"identifier": "bob-2"}')
member "structuredContent.error.plan" <<<"$plan"
echo -n "Do it? [y/N] "
read -r answer
[ "$answer" = y ] || exit 0
token=$(member "structuredContent.error.confirm_token" <<<"$plan")
call delete_person "{\"identifier\": \"bob-2\", \"confirm_token\": \"$token\"}" |
    member "structuredContent.error?.message ?? true" | sed "s/^/deleted: /"
