"""App API: broadcasts and campaigns, their actions and their metrics."""

from collections.abc import Callable

from cio_mcp.sandbox.metrics import campaign_series, delivery_series, period_of, span_of
from cio_mcp.sandbox.paging import page
from cio_mcp.sandbox.programs import Broadcast, Campaign
from cio_mcp.sandbox.replies import Refusal, Reply, Shape, json_reply
from cio_mcp.sandbox.routing import Call, Route

ACTIONS_PAGE = 10  # App API reference, "List campaign actions": fixed


def list_broadcasts(call: Call) -> Reply:
    """GET /v1/broadcasts."""
    return json_reply({"broadcasts": [broadcast.as_json() for broadcast in call.world.broadcasts.values()]})


def get_broadcast(call: Call) -> Reply:
    """GET /v1/broadcasts/{broadcast_id}."""
    return json_reply({"broadcast": _broadcast(call).as_json()})


def broadcast_triggers(call: Call) -> Reply:
    """GET /v1/broadcasts/{broadcast_id}/triggers; they are made and followed up under /v1/campaigns."""
    runs = _broadcast(call).triggers.values()
    return json_reply({"triggers": [run.as_json(call.now) for run in runs]})


def broadcast_actions(call: Call) -> Reply:
    """GET /v1/broadcasts/{broadcast_id}/actions."""
    broadcast = _broadcast(call, bad_id=400)
    return json_reply({"actions": [action.as_action(broadcast_id=broadcast.id) for action in broadcast.actions]})


def broadcast_metrics(call: Call) -> Reply:
    """GET /v1/broadcasts/{broadcast_id}/metrics: counted from the deliveries, oldest period first."""
    broadcast, query = _broadcast(call), call.query()
    span = period_of(query, call.now)
    own = [d for d in call.world.deliveries if d.origin.broadcast_id == broadcast.id]
    wanted = query.get("type")
    kept = [delivery for delivery in own if wanted in {None, delivery.channel}]
    return json_reply({"metric": {"series": delivery_series(kept, span, call.now)}})


def list_campaigns(call: Call) -> Reply:
    """GET /v1/campaigns."""
    return json_reply({"campaigns": [campaign.as_json() for campaign in call.world.campaigns.values()]})


def get_campaign(call: Call) -> Reply:
    """GET /v1/campaigns/{campaign_id}."""
    return json_reply({"campaign": _campaign(call).as_json()})


def campaign_actions(call: Call) -> Reply:
    """GET /v1/campaigns/{campaign_id}/actions, ten at a time; there is no `limit`."""
    campaign, start = _campaign(call), call.query().get("start", "")
    found, following = page(campaign.actions, {"start": start}, ACTIONS_PAGE, ACTIONS_PAGE)
    actions = [action.as_action(campaign_id=campaign.id) for action in found]
    return json_reply({"actions": actions, "next": following})


def campaign_metrics(call: Call) -> Reply:
    """GET /v1/campaigns/{campaign_id}/metrics: `version=2` needs `res`; anything else is the deprecated version 1."""
    campaign, query = _campaign(call), call.query()
    second = query.get("version") == "2"
    span = span_of(query, call.now) if second else period_of(query, call.now, fewest=2)
    daily = campaign.daily if campaign.running and query.get("type", "email") == "email" else 0
    return json_reply({"metric": {"series": campaign_series(daily, span, detailed=second)}})


def _broadcast(call: Call, bad_id: int = 404) -> Broadcast:
    broadcast = call.world.broadcasts.get(call.number("broadcast_id", status=bad_id))
    if broadcast is None:
        raise Refusal(404, "broadcast not found")
    return broadcast


def _campaign(call: Call) -> Campaign:
    campaign = call.world.campaigns.get(call.number("campaign_id", status=400))
    if campaign is None:
        raise Refusal(404, "campaign not found")
    return campaign


def _route(path: str, handler: Callable[[Call], Reply]) -> Route:
    return Route(method="GET", path=path, handler=handler, shape=Shape.DETAIL_STATUS)


ROUTES = (
    _route("/v1/broadcasts", list_broadcasts),
    _route("/v1/broadcasts/{broadcast_id}", get_broadcast),
    _route("/v1/broadcasts/{broadcast_id}/triggers", broadcast_triggers),
    _route("/v1/broadcasts/{broadcast_id}/actions", broadcast_actions),
    _route("/v1/broadcasts/{broadcast_id}/metrics", broadcast_metrics),
    _route("/v1/campaigns", list_campaigns),
    _route("/v1/campaigns/{campaign_id}", get_campaign),
    _route("/v1/campaigns/{campaign_id}/actions", campaign_actions),
    _route("/v1/campaigns/{campaign_id}/metrics", campaign_metrics),
)
