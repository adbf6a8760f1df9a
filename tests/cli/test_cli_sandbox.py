"""`cio-mcp sandbox`: a Customer.io for other processes to talk to."""

import re
import signal
import socket
import subprocess

import httpx2
import pytest

from tests.cli.commands import CLEAN, run, running

SENTENCE = re.compile(r"cio-mcp: [^\n]+\n")


def test_the_export_lines_work_in_another_process(sandbox_variables: dict[str, str]) -> None:
    doctor = run("doctor", env=sandbox_variables)
    assert doctor.code == 0, doctor.out
    called = run("call", "list_segments", env=sandbox_variables)
    assert "All customers" in [segment["name"] for segment in called.json["segments"]]


def test_the_export_lines_work_typed_into_a_shell(sandbox_variables: dict[str, str]) -> None:
    lines = "\n".join(f"  export {name}={value}" for name, value in sandbox_variables.items())
    script = f"{lines}\nenv | grep ^CUSTOMERIO_ | sort"
    shell = subprocess.run(["/bin/sh", "-c", script], env=CLEAN, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    assert shell.stdout.splitlines() == sorted(f"{name}={value}" for name, value in sandbox_variables.items())


def test_another_region_and_an_empty_account_can_be_had() -> None:
    with running("sandbox", "--port", "0", "--region", "eu", "--empty") as sandbox:
        sandbox.wait_for("CUSTOMERIO_REGION=eu")
        url = sandbox.wait_for("sandbox at ").split()[3]
        auth = httpx2.BasicAuth("sandbox-site-id", "sandbox-track-key")
        with httpx2.Client(base_url=url, trust_env=False) as client:
            assert client.get("/api/v1/accounts/region", auth=auth).json()["region"] == "eu"
            assert client.get("/_sandbox/state").json()["people"] == 0


def test_a_port_that_is_taken_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("sandbox", "--port", str(port))
    assert (refused.code, refused.out) == (1, "")
    assert SENTENCE.fullmatch(refused.err)
    assert str(port) in refused.err
    assert "choose another --port" in refused.err


@pytest.mark.parametrize("port", ["65536", "-1", "http", "²", ""])
def test_what_is_no_port_is_refused_with_the_usage(port: str) -> None:
    refused = run("sandbox", "--port", port)
    assert (refused.code, refused.out) == (2, "")
    assert "--port" in refused.err.splitlines()[-1]
    assert "Traceback" not in refused.err


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_ends_it_promptly_without_a_traceback(signum: signal.Signals, code: int) -> None:
    with running("sandbox", "--port", "0") as sandbox:
        sandbox.wait_for("export CUSTOMERIO_APP_API_KEY")
        ended = sandbox.end(signum)
    assert (ended.code, ended.err) == (code, "")
