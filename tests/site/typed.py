"""What pages have people type: typed, in a folder and a home of their own, as far as no reason is given against it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docs.building import DOCUMENTS, ROOT, cuts
from docs.failures import BASH
from docs.host_pages import pages as host_pages
from docs.recording import clean_environment

DEPLOY = "<!-- deploy:begin -->"
"""What follows it is typed by a test of its own, which has a database and a proxy for it."""
_BLOCK = re.compile(r"^(?P<before>[^\n]*)\n+```sh\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
_LEFT_OPEN = re.compile(r"\b(CUSTOMERIO_[A-Z_]+)=\.\.\.")
HEAD = "SEQ:MAC"
PATIENCE = 900.0
_MARK = "::typed "
_PROGRAM = """\
#!/bin/sh
case "$*" in
login) exec "{folder}/plainly" login <"{folder}/keys" ;;
sandbox*|"webhooks serve"*|serve*--http*) exec "{python}" "{folder}/served" "$@" ;;
*) exec "{folder}/plainly" "$@" ;;
esac
"""
# A server is started, seen to serve, and stopped, as by somebody who has seen enough; ports are taken as they are free.
_SERVED = """\
import re, signal, subprocess, sys
fixed = {"8000": "0", "8025": "0", "8030": "0", "9464": "0", "127.0.0.1:8026": "127.0.0.1:0"}
words = [fixed.get(word, word) for word in sys.argv[1:]]
process = subprocess.Popen([sys.executable, "-u", "-m", "cio_mcp", *words], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
seen = []
for line in process.stdout:
    seen.append(line)
    if re.search({"serve": "serves MCP at http", "webhooks": "events at http"}.get(words[0], "http://"), line):
        break
else:
    sys.stdout.writelines(seen)
    sys.exit(process.wait() or 1)
# "Ctrl-C stops it", and what Ctrl-C stops ends with 130.
process.send_signal(signal.SIGINT if words[0] == "sandbox" else signal.SIGTERM)
rest, _ = process.communicate(timeout=60)
sys.stdout.write("".join(seen) + rest)
sys.exit(0 if words[0] == "sandbox" and process.returncode == 130 else process.returncode)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of commands: where it stands, and why it is not typed, if it is not."""

    page: str
    code: str
    reason: str = ""

    @property
    def lines(self) -> list[str]:
        """Its commands."""
        return [line for line in self.code.splitlines() if line.strip()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A block after it was typed: what came, and which of its commands ended with another exit code than 0."""

    out: str
    failed: Mapping[str, int]


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    for found in _BLOCK.finditer(text):
        reason = _NOT_RUN.fullmatch(found["before"].strip())
        own = "tests/replicas/test_deploy_page.py types it" if found["before"].strip() == DEPLOY else ""
        yield Block(page=page, code=found["code"], reason=reason[1] if reason else own)


def written_blocks() -> list[Block]:
    """Return the blocks of everything that is written by hand."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS} | dict(cuts().pages)
    return [block for page, text in texts.items() for block in blocks_of(page, text)]


def host_blocks() -> list[Block]:
    """Return the blocks of the hosts' pages."""
    return [block for page, text in host_pages().items() for block in blocks_of(page, text)]


def type_them(blocks: Sequence[Block], home: Path, account: Mapping[str, str], cio_mcp: str) -> list[Typed]:
    """Type blocks one after the other into one shell, and return what became of each.

    `cio_mcp` is the text of that program.
    """
    script = ["trap 'echo \"::failed $? $BASH_COMMAND\" >&2' ERR"]
    for block in blocks:
        script += [f"echo '{_MARK}' >&2", _filled_in(block.code, account)]
    done = subprocess.run(  # noqa: S603 - the pages' own words
        [BASH, "-c", "exec 1>&2\n" + "\n".join(script)],
        cwd=home, env=_environment(home, account, cio_mcp), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    _, *parts = done.stderr.split(_MARK)
    assert len(parts) == len(blocks), done.stderr
    return [Typed(out=part, failed=_failed(part)) for part in parts]


def _failed(printed: str) -> dict[str, int]:
    return {command: int(code) for code, command in re.findall(r"^::failed (\d+) (.+)$", printed, re.MULTILINE)}


def _filled_in(code: str, account: Mapping[str, str]) -> str:
    """Return commands with what a reader puts in the place of dots: keys, and the head of the record."""
    with_keys = _LEFT_OPEN.sub(lambda found: f"{found[1]}={account[found[1]]}", code)
    return with_keys.replace(HEAD, "$(cio-mcp audit verify | grep -oE '[0-9]+:[0-9a-f]{16,}' | head -n 1)")


def _environment(home: Path, account: Mapping[str, str], cio_mcp: str) -> dict[str, str]:
    """Return the variables of somebody new: an empty home, and a Customer.io that is the sandbox."""
    programs = home / "programs"
    programs.mkdir()
    keys = "".join(f"{name}={value}\n" for name, value in account.items() if not name.endswith("_URL"))
    texts = {
        "cio-mcp": _PROGRAM.format(folder=programs, python=sys.executable),
        "plainly": cio_mcp,
        "served": _SERVED,
        "keys": keys,
        "pip": '#!/bin/sh\ntest "$1" = install\n',
    }
    for name, text in texts.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o700)
    own = {
        "PATH": os.pathsep.join((str(programs), os.environ["PATH"])),
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CONFIG_HOME": "",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "CUSTOMERIO_WEBHOOK_SIGNING_KEY": "sandbox-signing-key",
    }
    hosts = {name: value for name, value in account.items() if name.endswith("_URL")}
    return clean_environment() | own | hosts
