"""App API: newsletters; their errors carry a detail and nothing else."""

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cio_mcp.sandbox import validation as check
from cio_mcp.sandbox.paging import page
from cio_mcp.sandbox.programs import Newsletter
from cio_mcp.sandbox.replies import JsonObject, Refusal, Reply, Shape, json_reply
from cio_mcp.sandbox.routing import Call, Route

LIST_PAGE = (10, 100)  # App API reference, "List newsletters"
RATE_PERIODS = (60, 3_600, 86_400)
LONGEST_MATCHED_PERIOD = 3_600  # with tz_match_enabled


def list_newsletters(call: Call) -> Reply:
    """GET /v1/newsletters."""
    query = call.query()
    if query.get("sort", "asc") not in {"asc", "desc"}:
        raise Refusal(400, "sort must be asc or desc")
    ordered = sorted(call.world.newsletters.values(), key=lambda n: n.id, reverse=query.get("sort") == "desc")
    found, following = page(ordered, query, *LIST_PAGE)
    return json_reply({"newsletters": [newsletter.as_json() for newsletter in found], "next": following})


def get_newsletter(call: Call) -> Reply:
    """GET /v1/newsletters/{newsletter_id}."""
    return json_reply({"newsletter": _newsletter(call).as_json()})


def list_contents(call: Call) -> Reply:
    """GET /v1/newsletters/{newsletter_id}/contents: its variants, one per language or test."""
    newsletter = _newsletter(call)
    return json_reply({"contents": [variant.as_variant(newsletter.id) for variant in newsletter.variants]})


def send(call: Call) -> Reply:
    """POST /v1/newsletters/{newsletter_id}/send: once, from draft."""
    newsletter = _unsent(call)
    _check_rate(call.json())
    call.world.send_newsletter(newsletter, call.now)
    return json_reply({"newsletter": newsletter.as_json()})


def schedule(call: Call) -> Reply:
    """POST /v1/newsletters/{newsletter_id}/schedule: a time in the future, or 0 to cancel."""
    newsletter = _unsent(call)
    body = call.json()
    planned = check.integer(body, "scheduled_at", required=True) or 0
    _check_schedule(body, planned, call.now)
    _check_rate(body)
    newsletter.scheduled_at = planned
    newsletter.updated = int(call.now)
    return json_reply({"newsletter": newsletter.as_json()})


def _check_schedule(body: JsonObject, planned: int, now: float) -> None:
    if planned == 0:
        return
    if planned <= now:
        raise Refusal(422, "scheduled_at must be in the future")
    zone = check.text(body, "timezone")
    if not zone:
        raise Refusal(422, "timezone is required when scheduled_at is greater than 0")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refusal(422, "timezone must be an IANA time zone") from None
    period = check.integer(body, "rate_limit_time_period")
    if check.flag(body, "tz_match_enabled") and period is not None and period > LONGEST_MATCHED_PERIOD:
        raise Refusal(422, f"rate_limit_time_period must be at most {LONGEST_MATCHED_PERIOD} with tz_match_enabled")


def _check_rate(body: JsonObject) -> None:
    rate, period = check.integer(body, "rate_limit_email_rate"), check.integer(body, "rate_limit_time_period")
    check.flag(body, "rate_limit_spread")
    if (rate is None) != (period is None):
        raise Refusal(422, "rate_limit_email_rate and rate_limit_time_period must be set together")
    if rate is not None and rate < 1:
        raise Refusal(422, "rate_limit_email_rate must be at least 1")
    if period is not None and period not in RATE_PERIODS:
        raise Refusal(422, "rate_limit_time_period must be one of 60, 3600, 86400")


def _newsletter(call: Call) -> Newsletter:
    newsletter = call.world.newsletters.get(call.number("newsletter_id"))
    if newsletter is None:
        raise Refusal(404, "newsletter not found")
    return newsletter


def _unsent(call: Call) -> Newsletter:
    newsletter = _newsletter(call)
    if newsletter.sent_at:
        raise Refusal(400, "newsletter has already been sent")
    if newsletter.recipients is None:
        raise Refusal(400, "newsletter has no recipients")
    return newsletter


def _route(method: str, path: str, handler: Callable[[Call], Reply]) -> Route:
    return Route(method=method, path=path, handler=handler, shape=Shape.DETAIL)


ROUTES = (
    _route("GET", "/v1/newsletters", list_newsletters),
    _route("GET", "/v1/newsletters/{newsletter_id}", get_newsletter),
    _route("GET", "/v1/newsletters/{newsletter_id}/contents", list_contents),
    _route("POST", "/v1/newsletters/{newsletter_id}/send", send),
    _route("POST", "/v1/newsletters/{newsletter_id}/schedule", schedule),
)
