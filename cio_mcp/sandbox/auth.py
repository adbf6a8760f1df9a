"""The keys of the sandbox's one workspace, and which of them opens which door."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from cio_mcp.sandbox.replies import Refusal

SERVICE_ACCOUNT_PREFIX = "sa_live_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The workspace's credentials; the secrets stay out of the repr."""

    site_id: str = "sandbox-site-id"
    track_api_key: str = field(default="sandbox-track-key", repr=False)
    app_api_key: str = field(default="sandbox-app-key", repr=False)
    service_account_token: str = field(default="sa_live_sandbox", repr=False)
    workspace_id: int = 1
    webhook_signing_key: str = field(default="sandbox-signing-key", repr=False)


class Door(Enum):
    """What guards a path: Basic for /api, Bearer for /v1, Bearer or a service account for sends, or nothing."""

    TRACK = "track"
    APP = "app"
    SEND = "send"
    OPEN = "open"


def authenticate(keys: Keys, door: Door, headers: Mapping[str, str]) -> str:
    """Return the name of the credential ("track", "app", "service", "public") or refuse with 400, 401 or 403.

    Basic with site id and Track key opens Track; Bearer with the App key opens the App API; an `sa_live_` token
    opens transactional sends alone and must name its workspace (API reference, "Authentication").
    """
    if door is Door.OPEN:
        return "public"
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if door is Door.TRACK:
        return _track(keys, scheme, value.strip())
    return _bearer(keys, door, scheme, value.strip(), headers)


def _track(keys: Keys, scheme: str, value: str) -> str:
    if scheme.lower() != "basic":
        raise Refusal(401, "Track API calls use basic authentication with a site id and API key")
    try:
        pair = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(401, "authorization header is not valid base64") from None
    if not hmac.compare_digest(pair, f"{keys.site_id}:{keys.track_api_key}".encode()):
        raise Refusal(401, "unauthorized site id and API key")
    return "track"


def _bearer(keys: Keys, door: Door, scheme: str, token: str, headers: Mapping[str, str]) -> str:
    if scheme.lower() != "bearer":
        raise Refusal(401, "App API calls use a bearer token")
    if token.startswith(SERVICE_ACCOUNT_PREFIX):
        return _service_account(keys, door, token, headers.get("x-workspace-id"))
    if not _same(token, keys.app_api_key):
        raise Refusal(401, "unauthorized App API key")
    return "app"


def _service_account(keys: Keys, door: Door, token: str, workspace: str | None) -> str:
    if not _same(token, keys.service_account_token):
        raise Refusal(401, "unauthorized service account token")
    if door is not Door.SEND:
        raise Refusal(403, "service account tokens are accepted on transactional sends only")
    if workspace is None or not (workspace.isascii() and workspace.isdecimal()):
        raise Refusal(400, "X-Workspace-Id must be an integer when a service account token is used")
    if int(workspace) != keys.workspace_id:
        raise Refusal(403, "the service account has no access to this workspace")
    return "service"


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())
