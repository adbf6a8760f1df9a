"""What `doctor` finds, asked of real hosts on loopback."""

import socket
import time
from collections.abc import Iterator, Mapping

import pytest

from cio_mcp.cli.wiring import wired
from cio_mcp.diagnosis import Diagnosis, Finding, State
from cio_mcp.sandbox import Fault, Keys, Limits, RunningSandbox, running_sandbox
from cio_mcp.settings import Region, load
from tests.recording import Recorder, Reply

pytestmark = pytest.mark.anyio

US = Keys(site_id="us-site", track_api_key="canary-us-track", app_api_key="canary-us-app", workspace_id=1)
EU = Keys(site_id="eu-site", track_api_key="canary-eu-track", app_api_key="canary-eu-app", workspace_id=2)
CANARY = "canary"


@pytest.fixture(scope="module")
def regions() -> Iterator[dict[Region, RunningSandbox]]:
    """Yield an account in each region, with keys of its own."""
    limits = Limits(app=None, track=None)
    with (
        running_sandbox(keys=US, region="us", limits=limits) as us,
        running_sandbox(keys=EU, region="eu", limits=limits) as eu,
    ):
        yield {"us": us, "eu": eu}


@pytest.fixture(autouse=True)
def _no_faults(regions: dict[Region, RunningSandbox]) -> None:
    for sandbox in regions.values():
        sandbox.app.state.faults.clear()
        sandbox.app.state.journal.clear()


def track(keys: Keys) -> dict[str, str]:
    """Return the variables of a Track credential."""
    return {"CUSTOMERIO_SITE_ID": keys.site_id, "CUSTOMERIO_TRACK_API_KEY": keys.track_api_key}


def app(keys: Keys) -> dict[str, str]:
    """Return the variables of an App credential."""
    return {"CUSTOMERIO_APP_API_KEY": keys.app_api_key}


class Doctor:
    """Runs the diagnosis of an operator whose hosts are `urls`, the region's unless another is named."""

    def __init__(self, urls: Mapping[Region, str]) -> None:
        self.urls = urls

    async def __call__(
        self, variables: Mapping[str, str], *, region: Region = "us", host: str | None = None, ahead: float = 0.0
    ) -> dict[str, Finding]:
        """Return the findings by subject; `ahead` is how wrong this machine's clock is."""
        base = host or self.urls[region]
        hosts = {"CUSTOMERIO_TRACK_URL": base, "CUSTOMERIO_APP_URL": base, "CUSTOMERIO_REGION": region}
        async with wired(load({**hosts, **variables})) as wiring:
            diagnosis = Diagnosis(
                settings=wiring.settings,
                gateway=wiring.gateway,
                now=lambda: time.time() + ahead,
                track_urls=self.urls,
                app_urls=self.urls,
            )
            findings = await diagnosis.run()
        told = "".join(map(repr, findings))
        assert CANARY not in told
        assert all(finding.remedy for finding in findings if finding.state is State.BAD)
        return {finding.subject: finding for finding in findings}


@pytest.fixture
def doctor(regions: dict[Region, RunningSandbox]) -> Doctor:
    """Return a doctor for an operator with an account in each region."""
    return Doctor({region: sandbox.url for region, sandbox in regions.items()})


async def test_good_keys_are_told_with_their_region_and_workspace(doctor: Doctor) -> None:
    findings = await doctor(track(US) | app(US))
    assert {finding.state for finding in findings.values()} == {State.GOOD}
    assert findings["Track key"].text == f"works at {doctor.urls['us']}: region us, workspace 1"
    assert findings["App key"].text == f"works at {doctor.urls['us']}: region us, workspace 1"


async def test_a_diagnosis_only_reads(doctor: Doctor, regions: dict[Region, RunningSandbox]) -> None:
    await doctor(track(US) | app(US))
    await doctor(track(EU) | app(EU))
    asked = [entry.method for sandbox in regions.values() for entry in sandbox.app.state.journal]
    assert set(asked) == {"GET"}


async def test_without_keys_it_is_said_which_to_set_and_where_they_are_made(doctor: Doctor) -> None:
    findings = await doctor({})
    assert {finding.state for finding in findings.values()} == {State.NOTE}
    for subject, names in (
        ("Track key", ["CUSTOMERIO_SITE_ID", "CUSTOMERIO_TRACK_API_KEY"]),
        ("App key", ["CUSTOMERIO_APP_API_KEY"]),
    ):
        remedy = findings[subject].remedy
        assert [name for name in names if name not in remedy] == []
        assert "https://fly.customer.io/settings/api_credentials" in remedy


@pytest.mark.parametrize(("held", "missing"), list(zip(track(US), reversed(track(US)), strict=True)))
async def test_half_a_track_key_names_the_other_half(
    doctor: Doctor, regions: dict[Region, RunningSandbox], held: str, missing: str
) -> None:
    finding = (await doctor({held: track(US)[held]}))["Track key"]
    assert (finding.state, finding.text) == (State.BAD, f"half set: {missing} is missing")
    assert held not in finding.remedy
    assert not regions["us"].app.state.journal


async def test_a_wrong_track_key_is_asked_in_both_regions(
    doctor: Doctor, regions: dict[Region, RunningSandbox]
) -> None:
    finding = (await doctor({**track(US), "CUSTOMERIO_TRACK_API_KEY": "canary-nobody"}))["Track key"]
    assert finding.state is State.BAD
    assert finding.text.startswith("refused (401) in both regions: site id and key do not belong together")
    assert regions["eu"].app.state.journal


async def test_a_wrong_app_key_is_asked_in_both_regions(doctor: Doctor) -> None:
    finding = (await doctor({"CUSTOMERIO_APP_API_KEY": "canary-nobody"}))["App key"]
    assert finding.state is State.BAD
    assert finding.text.startswith("refused (401) in both regions: it is not an App API key")


async def test_a_host_set_by_hand_is_the_only_one_that_sees_the_key(
    doctor: Doctor, regions: dict[Region, RunningSandbox]
) -> None:
    elsewhere = Doctor({"us": "http://127.0.0.1:1", "eu": doctor.urls["eu"]})
    wrong = {**track(US), "CUSTOMERIO_TRACK_API_KEY": "canary-nobody", "CUSTOMERIO_APP_API_KEY": "canary-nobody"}
    findings = await elsewhere(wrong, host=doctor.urls["us"])
    for subject in ("Track key", "App key"):
        assert findings[subject].text.startswith(f"refused (401) at {doctor.urls['us']}: ")
    assert not regions["eu"].app.state.journal


async def test_a_track_key_in_the_app_variable_is_recognised(doctor: Doctor) -> None:
    findings = await doctor(track(US) | {"CUSTOMERIO_APP_API_KEY": US.track_api_key})
    assert findings["Track key"].state is State.GOOD
    assert findings["App key"].text == "refused: CUSTOMERIO_APP_API_KEY holds the Track key"


async def test_an_app_key_in_the_track_variable_is_recognised(doctor: Doctor) -> None:
    findings = await doctor({**track(US), "CUSTOMERIO_TRACK_API_KEY": US.app_api_key} | app(US))
    assert findings["App key"].state is State.GOOD
    assert findings["Track key"].text == "refused: CUSTOMERIO_TRACK_API_KEY holds an App API key"


async def test_keys_in_each_others_variables_are_both_recognised(doctor: Doctor) -> None:
    swapped = {
        "CUSTOMERIO_SITE_ID": US.site_id,
        "CUSTOMERIO_TRACK_API_KEY": US.app_api_key,
        "CUSTOMERIO_APP_API_KEY": US.track_api_key,
    }
    findings = await doctor(swapped)
    assert "holds an App API key" in findings["Track key"].text
    assert "holds the Track key" in findings["App key"].text


@pytest.mark.parametrize(("keys", "said", "true"), [(EU, "us", "eu"), (US, "eu", "us")])
async def test_a_wrong_region_is_named_with_the_right_one(
    doctor: Doctor, keys: Keys, said: Region, true: Region
) -> None:
    findings = await doctor(track(keys) | app(keys), region=said)
    for subject in ("Track key", "App key"):
        finding = findings[subject]
        assert (finding.state, finding.text) == (State.BAD, f"works in region {true} only")
        assert finding.remedy == f"set CUSTOMERIO_REGION={true}"


async def test_an_account_that_says_it_lives_in_another_region_is_believed(doctor: Doctor) -> None:
    # Customer.io's region endpoint answers on either host.
    finding = (await doctor(track(EU), host=doctor.urls["eu"]))["Track key"]
    assert finding.state is State.BAD
    assert "lives in eu and CUSTOMERIO_REGION is us" in finding.text


async def test_keys_of_different_workspaces_are_told_apart(doctor: Doctor) -> None:
    variables = {**track(US), **app(EU), "CUSTOMERIO_TRACK_URL": doctor.urls["us"]}
    findings = await doctor(variables | {"CUSTOMERIO_APP_URL": doctor.urls["eu"]})
    assert (findings["Track key"].state, findings["App key"].state) == (State.GOOD, State.GOOD)
    assert findings["Workspace"].state is State.BAD
    assert "(Track key: 1, App key: 2)" in findings["Workspace"].text


async def test_a_service_account_of_another_workspace_is_told_without_being_tried(
    doctor: Doctor, regions: dict[Region, RunningSandbox]
) -> None:
    account = {"CUSTOMERIO_SERVICE_ACCOUNT_TOKEN": "sa_live_canary", "CUSTOMERIO_WORKSPACE_ID": "9"}
    findings = await doctor(app(US) | account)
    assert findings["Service account"].state is State.NOTE
    assert "the App key goes first" in findings["Service account"].text
    assert "Service account: 9" in findings["Workspace"].text
    sent = [entry.headers.get("authorization", "") for entry in regions["us"].app.state.journal]
    assert sent
    assert not [header for header in sent if "sa_live" in header]


async def test_a_service_account_without_its_workspace_is_half_set(doctor: Doctor) -> None:
    finding = (await doctor({"CUSTOMERIO_SERVICE_ACCOUNT_TOKEN": "sa_live_canary"}))["Service account"]
    assert (finding.state, finding.text) == (State.BAD, "CUSTOMERIO_WORKSPACE_ID is missing")


async def test_a_host_that_nobody_serves_is_unreachable(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        nobody = f"http://127.0.0.1:{closing.getsockname()[1]}"
    findings = await doctor(track(US) | app(US), host=nobody)
    for subject in ("Track key", "App key"):
        assert findings[subject].state is State.BAD
        assert findings[subject].text == f"{nobody} did not answer: no connection could be made"
        assert "firewall" in findings[subject].remedy


@pytest.mark.parametrize(("ahead", "way"), [(3600.0, "ahead of"), (-3600.0, "behind")])
async def test_a_wrong_clock_is_told_with_how_far_and_which_way(doctor: Doctor, ahead: float, way: str) -> None:
    finding = (await doctor(app(US), ahead=ahead))["Clock"]
    assert finding.state is State.BAD
    seconds, rest = finding.text.removeprefix("this machine is ").split(" s ", 1)
    assert abs(int(seconds) - 3600) <= 10
    assert rest == f"{way} {doctor.urls['us']}"


async def test_a_clock_that_is_a_little_off_is_nothing_to_mend(doctor: Doctor) -> None:
    assert "Clock" not in await doctor(app(US), ahead=10.0)


async def test_a_key_that_may_not_list_workspaces_still_works(
    doctor: Doctor, regions: dict[Region, RunningSandbox]
) -> None:
    regions["us"].app.state.faults.add(Fault(kind="status", status=403, match="GET /v1/workspaces"))
    finding = (await doctor(app(US)))["App key"]
    assert (finding.state, "may not list workspaces" in finding.text) == (State.GOOD, True)


async def test_a_key_of_a_narrow_scope_is_a_note_and_no_fault(
    doctor: Doctor, regions: dict[Region, RunningSandbox]
) -> None:
    regions["us"].app.state.faults.add(Fault(kind="status", status=403, match="GET /v1/", times=None))
    finding = (await doctor(app(US)))["App key"]
    assert (finding.state, "scope" in finding.text) == (State.NOTE, True)


async def test_throttling_is_no_wrong_key(doctor: Doctor, regions: dict[Region, RunningSandbox]) -> None:
    for sandbox in regions.values():
        sandbox.app.state.faults.add(Fault(kind="throttle", times=None, retry_after=1))
    findings = await doctor(track(US) | app(US))
    assert {finding.state for finding in findings.values()} == {State.NOTE}
    assert "throttling" in findings["App key"].text


GARBAGE = [
    Reply(body=b"<!doctype html><h1>It works!</h1>", headers={"content-type": "text/html"}),
    Reply(body=b"{}"),
    Reply(body=b"[1]"),
    Reply(body=b"[" * 5000),
    Reply(body=b""),
    Reply(body=b'"region"'),
    Reply(status=503, body=b"down"),
    Reply(status=302, headers={"location": "http://127.0.0.1:1/elsewhere"}),
]


@pytest.mark.parametrize("reply", GARBAGE, ids=["html", "empty", "list", "deep", "nothing", "text", "503", "302"])
async def test_a_host_that_is_not_customer_ios_is_never_called_good(
    doctor: Doctor, recorder: Recorder, recording_server: tuple[Recorder, str], reply: Reply
) -> None:
    recorder.default = reply
    findings = await doctor(track(US) | app(US), host=recording_server[1])
    for subject in ("Track key", "App key"):
        assert findings[subject].state is State.BAD
        assert f"answered {reply.status}, but not as Customer.io does" in findings[subject].text
        assert "CUSTOMERIO_TRACK_URL" in findings[subject].remedy


async def test_what_a_host_tells_cannot_write_on_the_terminal(
    doctor: Doctor, recorder: Recorder, recording_server: tuple[Recorder, str]
) -> None:
    recorder.default = Reply(
        body=rb'{"region":["us\u001b[2J"],"environment_id":"\u001b[31m\n7","workspaces":[{"id":"\u0007"}]}'
    )
    findings = await doctor(track(US) | app(US), host=recording_server[1])
    told = "".join(finding.text for finding in findings.values())
    assert told.isprintable()
