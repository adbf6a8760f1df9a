"""What is wrong with an operator's settings, found by asking Customer.io itself; nothing is sent or changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from cio_mcp.budgets import Slots
from cio_mcp.credentials import APP_KEYS_PAGE, MADE_AT, TRACK_KEYS_PAGE, Credentials, Lease, basic, bearer
from cio_mcp.gateway import Gateway, Lost, Oversized, Place, Unsent
from cio_mcp.remedies import Source
from cio_mcp.scrub import one_line, read_json
from cio_mcp.settings import APP_URLS, TRACK_URLS, Region, Settings
from cio_mcp.wire import Answer, Request

# Track API reference, "Find your account region": answers on either host. The App API has no such operation; its
# cheapest reads stand in.
REGION_PATH = "/api/v1/accounts/region"
WORKSPACES_PATH = "/v1/workspaces"
SEGMENTS_PATH = "/v1/segments"
SECONDS = 10.0
SKEW_SECONDS = 30.0
"""More than this, and times such as `send_at` mean something else to Customer.io than to this machine."""

HOSTS = ("CUSTOMERIO_TRACK_URL", "CUSTOMERIO_APP_URL")
_OK, _UNAUTHORIZED, _FORBIDDEN, _THROTTLED = 200, 401, 403, 429


class State(StrEnum):
    """What a finding says."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: what it is, how it stands, and how to mend it."""

    subject: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of one question: an answer, or the reason why there is none."""

    answer: Answer | None = None
    problem: str = ""

    @property
    def status(self) -> int:
        """The HTTP status; 0 if nobody answered."""
        return self.answer.status if self.answer else 0

    def json(self) -> dict[str, Any]:
        """Return the answer's object, or an empty one."""
        try:
            data = read_json(self.answer.body) if self.answer else {}
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}

    def holds(self, member: str) -> bool:
        """Say whether this is Customer.io's answer, known by a member: a proxy's page may say 200 too."""
        return self.status == _OK and member in self.json()


def _shown(told: Any) -> str:
    """Return a name or number that a host told, as it may stand on a terminal; "" for nothing."""
    return "" if told is None else one_line(str(told), 40)


@dataclass(slots=True, kw_only=True)
class Diagnosis:
    """Asks the few questions whose answers tell a wrong key from a wrong region or workspace."""

    settings: Settings
    gateway: Gateway
    now: Callable[[], float]
    source: Source = field(default_factory=Source)
    """How whoever reads the findings mends what they name."""
    track_urls: Mapping[Region, str] = field(default_factory=lambda: TRACK_URLS)
    app_urls: Mapping[Region, str] = field(default_factory=lambda: APP_URLS)
    findings: list[Finding] = field(default_factory=list[Finding])
    workspaces: dict[str, str] = field(default_factory=dict[str, str])
    """Which workspace each credential turned out to belong to."""

    async def run(self) -> list[Finding]:
        """Look at everything; returns the findings in the order they were made."""
        credentials = Credentials(self.settings)
        if track := credentials.track():
            await self._track(track)
        else:
            self._absent("Track key", ("CUSTOMERIO_SITE_ID", "CUSTOMERIO_TRACK_API_KEY"), TRACK_KEYS_PAGE)
        if app := credentials.app():
            await self._app(app)
        else:
            self._absent("App key", ("CUSTOMERIO_APP_API_KEY",), APP_KEYS_PAGE)
        self._service_account()
        self._same_workspace()
        return self.findings

    def _say(self, subject: str, state: State, text: str, remedy: str = "") -> None:
        self.findings.append(Finding(subject=subject, state=state, text=text, remedy=remedy))

    def _absent(self, subject: str, names: tuple[str, ...], page: str) -> None:
        held = {"CUSTOMERIO_SITE_ID": self.settings.site_id, "CUSTOMERIO_TRACK_API_KEY": self.settings.track_api_key}
        unset = [name for name in names if not held.get(name)]
        half = len(unset) < len(names)
        self._say(
            subject,
            State.BAD if half else State.NOTE,
            f"half set: {' and '.join(map(self.source.named, unset))} is missing"
            if half
            else "not set, so its tools answer missing_credential",
            f"{self.source.to_give(unset)}; keys are made in {MADE_AT}: {page}",
        )

    async def _ask(self, lease: Lease, path: str) -> Asked:
        request = Request(method="GET", path=path, query="", body=None)
        try:
            return Asked(answer=await self.gateway.exchange(request, lease, Slots(()), Place(), timeout=SECONDS))
        except (Unsent, Lost, Oversized) as error:
            return Asked(problem=str(error))

    async def _track(self, lease: Lease) -> None:
        asked = await self._ask(lease, REGION_PATH)
        if self._unreachable("Track key", lease, asked):
            return
        if asked.holds("region"):
            self._track_works(lease, asked)
        elif asked.status == _UNAUTHORIZED:
            await self._wrong_track_key(lease)
        else:
            self._odd("Track key", lease, asked)

    def _track_works(self, lease: Lease, asked: Asked) -> None:
        told = asked.json()
        region, workspace = _shown(told.get("region")), _shown(told.get("environment_id"))
        if workspace:
            self.workspaces["Track key"] = workspace
        if region in TRACK_URLS and region != self.settings.region:
            self._say(
                "Track key",
                State.BAD,
                f"works, but the account lives in {region} and {self.source.named('CUSTOMERIO_REGION')} is "
                f"{self.settings.region}",
                self.source.to_live_in(region),
            )
            return
        named = f", workspace {workspace}" if workspace else ""
        self._say("Track key", State.GOOD, f"works at {lease.base_url}: region {region}{named}")

    async def _wrong_track_key(self, lease: Lease) -> None:
        elsewhere, where = await self._elsewhere(lease, self.track_urls, REGION_PATH)
        if elsewhere:
            self._only_in(elsewhere, "Track key")
            return
        key = self.settings.track_api_key
        as_app = Lease(name="app", base_url=self.settings.app_base, auth=bearer(key)) if key else None
        if as_app and (await self._ask(as_app, SEGMENTS_PATH)).holds("segments"):
            self._say(
                "Track key",
                State.BAD,
                f"refused: {self.source.named('CUSTOMERIO_TRACK_API_KEY')} holds an App API key",
                f"its place is {self.source.named('CUSTOMERIO_APP_API_KEY')}; the Track key stands beside the site id: "
                f"{TRACK_KEYS_PAGE}",
            )
            return
        self._say(
            "Track key",
            State.BAD,
            f"refused (401) {where}: site id and key do not belong together, or were revoked",
            f"copy both from the same line: {TRACK_KEYS_PAGE}",
        )

    async def _app(self, lease: Lease) -> None:
        asked = await self._ask(lease, WORKSPACES_PATH)
        if self._unreachable("App key", lease, asked):
            return
        if asked.status == _UNAUTHORIZED:
            await self._wrong_app_key(lease)
        elif asked.holds("workspaces"):
            self._app_works(lease, asked)
        elif (await self._ask(lease, SEGMENTS_PATH)).holds("segments"):
            self._say("App key", State.GOOD, f"works at {lease.base_url}; it may not list workspaces")
        elif asked.status == _FORBIDDEN:
            self._say(
                "App key",
                State.NOTE,
                "is valid, but its scope leaves out listing workspaces and segments",
                f"if tools answer forbidden, make a key with a wider scope: {APP_KEYS_PAGE}",
            )
        else:
            self._odd("App key", lease, asked)

    def _app_works(self, lease: Lease, asked: Asked) -> None:
        listed = asked.json().get("workspaces")
        ids = [_shown(each.get("id")) for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        if len(ids) == 1:
            self.workspaces["App key"] = ids[0]
        told = f", workspace {ids[0]}" if len(ids) == 1 else f", {len(ids)} workspaces" if ids else ""
        self._say("App key", State.GOOD, f"works at {lease.base_url}: region {self.settings.region}{told}")

    async def _wrong_app_key(self, lease: Lease) -> None:
        elsewhere, where = await self._elsewhere(lease, self.app_urls, WORKSPACES_PATH)
        if elsewhere:
            self._only_in(elsewhere, "App key")
            return
        site, key = self.settings.site_id, self.settings.app_api_key
        if site and key:
            as_track = Lease(name="track", base_url=self.settings.track_base, auth=basic(site, key))
            if (await self._ask(as_track, REGION_PATH)).holds("region"):
                self._say(
                    "App key",
                    State.BAD,
                    f"refused: {self.source.named('CUSTOMERIO_APP_API_KEY')} holds the Track key",
                    f"make an App API key: {APP_KEYS_PAGE}",
                )
                return
        self._say(
            "App key",
            State.BAD,
            f"refused (401) {where}: it is not an App API key, or was revoked",
            f"copy it again, or make a new one: {APP_KEYS_PAGE}",
        )

    async def _elsewhere(self, lease: Lease, urls: Mapping[Region, str], path: str) -> tuple[Region | None, str]:
        """Ask the other region, unless a host was set by hand: return it if the key works there, and who refused it."""
        region = self.settings.region
        if lease.base_url != urls[region]:
            return None, f"at {lease.base_url}"
        other: Region = "eu" if region == "us" else "us"
        asked = await self._ask(replace(lease, base_url=urls[other]), path)
        if asked.answer is None:
            return None, f"in region {region}, and region {other} did not answer"
        return other if asked.status == _OK else None, "in both regions"

    def _only_in(self, region: Region, subject: str) -> None:
        self._say(subject, State.BAD, f"works in region {region} only", self.source.to_live_in(region))

    def _unreachable(self, subject: str, lease: Lease, asked: Asked) -> bool:
        if asked.answer is None:
            self._say(
                subject,
                State.BAD,
                f"{lease.base_url} did not answer: {asked.problem}",
                "check the network, a proxy (HTTPS_PROXY) or firewall, and the machine's certificates",
            )
            return True
        self._clock(lease, asked.answer)
        return False

    def _clock(self, lease: Lease, answer: Answer) -> None:
        try:
            theirs = parsedate_to_datetime(answer.headers["date"])
        except (KeyError, ValueError, TypeError):
            return
        ours = datetime.fromtimestamp(self.now(), UTC)
        skew = (ours - theirs.astimezone(UTC)).total_seconds()
        if abs(skew) > SKEW_SECONDS:
            way = "ahead of" if skew > 0 else "behind"
            self._say(
                "Clock",
                State.BAD,
                f"this machine is {abs(skew):.0f} s {way} {lease.base_url}",
                "set the clock: times that you compute from it mean something else to Customer.io",
            )

    def _odd(self, subject: str, lease: Lease, asked: Asked) -> None:
        if asked.status == _THROTTLED:
            self._say(subject, State.NOTE, f"{lease.base_url} is throttling (429)", "run doctor again in a minute")
            return
        self._say(
            subject,
            State.BAD,
            f"{lease.base_url} answered {asked.status}, but not as Customer.io does",
            f"check {' and '.join(map(self.source.named, HOSTS))}, and any proxy between; a 5xx may pass in a minute",
        )

    def _service_account(self) -> None:
        held = self.settings
        if held.service_account_token is None:
            return
        if held.workspace_id is None:
            self._say(
                "Service account",
                State.BAD,
                f"{self.source.named('CUSTOMERIO_WORKSPACE_ID')} is missing",
                "set it to the number in Customer.io's address bar",
            )
            return
        self.workspaces["Service account"] = str(held.workspace_id)
        used = "not used, since the App key goes first" if held.app_api_key else "used for the transactional sends"
        self._say(
            "Service account",
            State.NOTE,
            f"set for workspace {held.workspace_id}, {used}; not tried, because it can do nothing but send",
        )

    def _same_workspace(self) -> None:
        if len(set(self.workspaces.values())) > 1:
            told = ", ".join(f"{name}: {workspace}" for name, workspace in self.workspaces.items())
            self._say(
                "Workspace",
                State.BAD,
                f"the credentials belong to different workspaces ({told}): what one writes, another does not see",
                "take all from one workspace",
            )
