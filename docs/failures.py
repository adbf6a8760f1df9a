"""Every error, really produced: what is typed, and what `cio-mcp` then prints.

`python -m docs.failures` writes it down anew, in `docs/examples/errors.json`.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cio_mcp.sandbox import RunningSandbox, running_sandbox
from cio_mcp.sandbox.control import reset
from cio_mcp.sandbox.faults import Fault
from docs.forking import program
from docs.recording import account, clean_environment
from docs.sameness import unless_the_same

FILE = Path(__file__).parent / "examples" / "errors.json"
BASH = "/bin/bash"
WITHIN = 60.0
Json = dict[str, Any]

SEND = """send_email '{"transactional_message_id": 1, "to": "ada@example.com", "identifiers": {"id": "ada-1"}}'"""
SUPPRESS = """suppress_person '{"identifier": "bob-2"}'"""
HERE = '--sandbox --ledger "$PWD/trial.sqlite3"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Produced:
    """What brings an error about; the last line is the one that ends in it."""

    typed: Sequence[str]
    because: str = ""
    """What is peculiar about Customer.io, or the machine, when it is typed."""
    faults: Sequence[Fault] = ()
    """The same, for the sandbox; without any and without `elsewhere`, the lines can be typed as they stand."""
    elsewhere: bool = False
    """Whether the lines are run against a sandbox of their own, by the keys of the environment."""
    files: Mapping[str, str] = field(default_factory=dict)


def call(words: str, *flags: str) -> str:
    """Return a line that calls a tool."""
    return " ".join(("cio-mcp call", words, *flags))


FAILURES: Mapping[str, Produced] = {
    "invalid_arguments": Produced(
        typed=[call("""send_email '{"to": "ada@example.com", "identifier": {"id": "ada-1"}}'""", "--sandbox")]
    ),
    "no_such_operation": Produced(
        typed=[call("""get_operation '{"operation": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}'""", "--sandbox")]
    ),
    "not_permitted": Produced(typed=[call("""identify_person '{"identifier": "ada-1"}'""", "--sandbox --read-only")]),
    "writes_stopped": Produced(
        typed=[
            call(SEND, HERE),
            "cio-mcp stop 'looking into wrong receipts' --ledger \"$PWD/trial.sqlite3\"",
            call("""identify_person '{"identifier": "ada-1"}'""", HERE),
        ]
    ),
    "held_back": Produced(typed=[call(SEND, HERE)] * 2),
    "over_budget": Produced(
        files={"grants.toml": 'profile = "sender"\n\n[budget]\nper_hour = 1\n'},
        typed=[
            call(SEND, HERE, "--grants grants.toml"),
            call(SEND.replace("ada", "cleo").replace("-1", "-3"), HERE, "--grants grants.toml"),
        ],
    ),
    "confirmation_needed": Produced(typed=[call(SUPPRESS, "--sandbox")]),
    "approval_needed": Produced(typed=[call(SUPPRESS, HERE, "--confirm operator --time-budget 2")]),
    "not_confirmed": Produced(
        typed=[call(SUPPRESS.replace("}", ', "confirm_token": "made-up-by-a-model"}'), "--sandbox")]
    ),
    "cannot_ask": Produced(
        because="There is no terminal at which somebody could be asked.",
        typed=[call(SUPPRESS, "--sandbox --confirm ask")],
    ),
    "missing_credential": Produced(because="No key is set, and none is stored.", typed=[call("list_segments")]),
    "rate_limited": Produced(
        elsewhere=True,
        typed=[call("list_segments", '--ledger "$PWD/trial.sqlite3" --limit-app 1/60 --time-budget 4')] * 2,
    ),
    "quota_exhausted": Produced(
        because="Customer.io answers 429 without `Retry-After`.",
        faults=[Fault(kind="throttle", times=None)],
        typed=[call("list_segments")],
    ),
    "unavailable": Produced(
        because="Customer.io answers 503, however often it is asked.",
        faults=[Fault(kind="status", status=503, times=None)],
        typed=[call("list_segments", "--time-budget 5")],
    ),
    "outcome_unknown": Produced(
        because="Customer.io accepts the message, and the connection breaks before the answer.",
        faults=[Fault(kind="reset", when="after", match="POST /v1/send/email")],
        typed=[call(SEND)],
    ),
    "unreadable_reply": Produced(
        because="A page of HTML comes back instead of JSON.", faults=[Fault(kind="html")], typed=[call("list_segments")]
    ),
    "not_recorded": Produced(
        because="Where the ledger should be lies a folder.",
        typed=["mkdir trial.sqlite3", call(SEND, HERE)],
    ),
    "rejected": Produced(typed=[call(SEND.replace('message_id": 1', 'message_id": 99'), "--sandbox")]),
    "bad_credential": Produced(
        elsewhere=True, typed=["export CUSTOMERIO_APP_API_KEY=not-the-key", call("list_segments")]
    ),
    "forbidden": Produced(
        because="The key's scope does not include it.",
        faults=[Fault(kind="status", status=403, body={"errors": [{"detail": "insufficient scope", "status": "403"}]})],
        typed=[call("list_collections")],
    ),
    "not_found": Produced(typed=[call("""get_segment '{"segment_id": 99}'""", "--sandbox")]),
    "too_large": Produced(
        because="Customer.io answers 413.",
        faults=[Fault(kind="status", status=413, body={"meta": {"error": "request body too large"}})],
        typed=[call("""track_event '{"identifier": "ada-1", "name": "imported", "data": {"rows": 40000}}'""")],
    ),
    "partly_rejected": Produced(
        because="Customer.io takes the first item and refuses the second.",
        faults=[
            Fault(
                kind="status",
                when="after",
                status=207,
                match="POST /api/v2/batch",
                body={
                    "errors": [{"batch_index": 1, "reason": "invalid", "field": "name", "message": "is not allowed"}]
                },
            )
        ],
        typed=[
            call(
                """apply_batch '{"batch": ["""
                """{"type": "person", "action": "event", "identifiers": {"id": "ada-1"}, "name": "seen"}, """
                """{"type": "person", "action": "event", "identifiers": {"id": "ada-1"}, "name": "not allowed"}]}'"""
            )
        ],
    ),
}
"""By code."""


def produced(code: str, failure: Produced, sandbox: RunningSandbox, cio_mcp: str) -> Json:
    """Type the lines in a folder of their own, and return them with what the last one printed, and its exit code.

    `cio_mcp` is the text of that program.
    """
    state = sandbox.app.state
    state.faults.clear()
    for fault in failure.faults:
        state.faults.add(fault)
    with tempfile.TemporaryDirectory(prefix="cio-mcp-docs-") as folder:
        for name, text in failure.files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
            Path(folder, name).chmod(0o600)
        *before, last = failure.typed
        script = "\n".join(f"{line} >before 2>&1" for line in before) + f"\n{last}"
        environment = _environment(folder, failure, sandbox, cio_mcp)
        done = subprocess.run(
            [BASH, "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=WITHIN, check=False,
        )  # fmt: skip
    if not done.stderr.startswith(f"{code}: "):
        raise AssertionError(f"{code}: {done.stdout}{done.stderr}")
    about = {"because": failure.because, "files": dict(failure.files)}
    told = {"typed": list(failure.typed), "printed": done.stderr, "exit_code": done.returncode}
    return {name: value for name, value in about.items() if value} | told


def _environment(folder: str, failure: Produced, sandbox: RunningSandbox, cio_mcp: str) -> dict[str, str]:
    """Return the variables of somebody whose `cio-mcp` is this one, and whose home is empty."""
    programs = Path(folder, "programs")
    programs.mkdir()
    (programs / "cio-mcp").write_text(cio_mcp, encoding="utf-8")
    (programs / "cio-mcp").chmod(0o755)
    own = {
        "PATH": os.pathsep.join((str(programs), os.environ["PATH"])),
        "HOME": folder,
        "XDG_STATE_HOME": f"{folder}/state",
        "XDG_DATA_HOME": f"{folder}/data",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    keys = account(sandbox) if failure.faults or failure.elsewhere else {}
    return clean_environment() | own | keys


def recorded() -> dict[str, Json]:
    """Return every error as it was produced, by code."""
    with running_sandbox() as sandbox, program(clean_environment()) as cio_mcp:
        made: dict[str, Json] = {}
        for code, failure in FAILURES.items():
            reset(sandbox.app.state)
            made[code] = produced(code, failure, sandbox, cio_mcp)
    return made


def main() -> None:
    """Write the examples of the errors anew."""
    kept: Json = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    examples = {code: unless_the_same(kept.get(code), made) for code, made in recorded().items()}
    FILE.write_text(json.dumps(examples, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    changed = sum(kept.get(code) != made for code, made in examples.items())
    sys.stdout.write(f"{len(examples)} examples in {FILE}, {changed} changed\n")


if __name__ == "__main__":
    main()
