"""Reporting webhooks: what happened, told once, signed, to loopback addresses alone.

Times out after 4 s, and a failing call holds up the ones behind it, as the reference says; instead of retrying for
seven days the sandbox tries three times and then records the event as undeliverable.
"""

import hashlib
import heapq
import hmac
import ipaddress
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlsplit

import anyio
import httpx2
from starlette.datastructures import State

from cio_mcp.sandbox.deliveries import Delivery
from cio_mcp.sandbox.replies import JsonObject
from cio_mcp.sandbox.world import Notice, World

TIMEOUT = 4.0  # Reporting webhooks reference, "Timeouts and failures"
ATTEMPTS = 3
_PAUSE = 0.2
_TICK = 0.05
_CHANNELS = {"twilio": "sms", "inbox": "in_app"}  # message type of the App API -> object_type
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FAILURES = frozenset({"attempted", "bounced", "dropped", "failed", "undeliverable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """An event a webhook did not take, and why."""

    endpoint: str
    event: JsonObject
    reason: str


def sign(key: str, timestamp: str, body: bytes) -> str:
    """Return X-CIO-Signature: hex HMAC-SHA256 of `v0:<timestamp>:<body>` (reference, "Securely verifying requests")."""
    return hmac.new(key.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()


def is_loopback(url: str) -> bool:
    """Tell whether a URL stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Reporter:
    """Posts what happens from the moment it starts; the events before that are history."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._world: World = state.world
        self._read = len(self._world.deliveries)
        self._coming: list[tuple[float, int, Delivery, str]] = []
        self._order = count()

    async def run(self) -> None:
        """Report until cancelled."""
        async with httpx2.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client:
            while True:
                for notice in list(self._due(self._state.clock())):
                    await self._report(client, notice)
                await anyio.sleep(_TICK)

    def _due(self, now: float) -> Iterator[Notice]:
        """Yield what has happened by `now` and was not reported yet."""
        if self._state.world is not self._world:
            self._world, self._coming = self._state.world, []
            self._read = self._world.told_from
        while self._world.notices:
            yield self._world.notices.popleft()
        fresh = self._world.deliveries.log[self._read :]
        self._read += len(fresh)
        for delivery in fresh:
            for metric, at in delivery.timeline:
                heapq.heappush(self._coming, (at, next(self._order), delivery, metric))
        while self._coming and self._coming[0][0] <= now:
            at, _, delivery, metric = heapq.heappop(self._coming)
            channel = _CHANNELS.get(delivery.channel, delivery.channel)
            yield Notice(event=f"{channel}_{metric}", object_type=channel, metric=metric, at=at, delivery=delivery)

    async def _report(self, client: httpx2.AsyncClient, notice: Notice) -> None:
        for webhook in list(self._world.webhooks.values()):
            if not webhook["disabled"] and notice.event in webhook["events"]:
                event = payload(self._world, notice, with_content=webhook["with_content"])
                await self._post(client, webhook["endpoint"], event)

    async def _post(self, client: httpx2.AsyncClient, endpoint: str, event: JsonObject) -> None:
        reason = "not a loopback address"
        if is_loopback(endpoint):
            body = json.dumps(event, separators=(",", ":")).encode()
            for _ in range(ATTEMPTS):
                reason = await self._attempt(client, endpoint, body)
                if not reason:
                    return
                await anyio.sleep(_PAUSE)
        self._state.undelivered.append(Undelivered(endpoint=endpoint, event=event, reason=reason))

    async def _attempt(self, client: httpx2.AsyncClient, endpoint: str, body: bytes) -> str:
        """Return why a call failed, "" when it succeeded."""
        timestamp = str(int(self._state.clock()))
        headers = {
            "content-type": "application/json",
            "x-cio-timestamp": timestamp,
            "x-cio-signature": sign(self._state.keys.webhook_signing_key, timestamp, body),
        }
        try:
            response = await client.post(endpoint, content=body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return type(error).__name__
        return "" if response.is_success else f"status {response.status_code}"


def payload(world: World, notice: Notice, *, with_content: bool) -> JsonObject:
    """Return the event as a reporting webhook carries it; one event per request."""
    if notice.delivery is not None:
        data = _delivery_data(world, notice.delivery, notice.metric, with_content=with_content)
    else:
        data = _person_data(notice)
    return {
        "event_id": _ulid(notice.at),
        "object_type": notice.object_type,
        "metric": notice.metric,
        "timestamp": int(notice.at),
        "data": data,
    }


def _person_data(notice: Notice) -> JsonObject:
    person = notice.person
    if person is None:
        return {}
    data: JsonObject = {
        "customer_id": person.id or "",
        "email_address": person.email or "",
        "identifiers": person.summary(),
    }
    if notice.metric == "cio_subscription_preferences_changed":
        preferences = person.attributes.get("cio_subscription_preferences")
        data["content"] = json.dumps(preferences, separators=(",", ":"))
    return data


def _delivery_data(world: World, delivery: Delivery, metric: str, *, with_content: bool) -> JsonObject:
    data = _origin_data(delivery)
    if delivery.channel == "push":
        person = world.people.find("cio_id", delivery.person or "")
        devices = person.devices.values() if person is not None else ()
        data["recipients"] = [{"device_id": d.token, "device_platform": d.platform} for d in devices]
    else:
        data["recipient"] = delivery.recipient
    if delivery.channel == "email":
        data["subject"] = delivery.subject or ""
    if metric in _FAILURES:
        data["failure_message"] = delivery.failure or ""
    if metric == "sent" and with_content:
        data["content"] = str(delivery.content.get("body", ""))
    return data


def _origin_data(delivery: Delivery) -> JsonObject:
    """Return the parents of a delivery: the ids that apply, and who it is for."""
    origin = delivery.origin
    named = {
        "trigger_id": origin.trigger_id,
        "broadcast_id": origin.broadcast_id,
        "campaign_id": origin.campaign_id,
        "newsletter_id": origin.newsletter_id,
        "content_id": origin.content_id,
        "action_id": origin.action_id,
        "transactional_message_id": origin.transactional_id,
    }
    data: JsonObject = {name: number for name, number in named.items() if number is not None}
    data["delivery_id"] = delivery.id
    data["customer_id"] = delivery.identifiers.get("id") or ""
    data["identifiers"] = delivery.identifiers
    return data


def _ulid(at: float) -> str:
    number = int(at * 1_000) << 80 | int.from_bytes(os.urandom(10))
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
