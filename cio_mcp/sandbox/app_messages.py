"""App API: deliveries, transactional templates, and what concerns the account."""

from collections.abc import Callable, Iterable

from cio_mcp.sandbox.deliveries import Delivery
from cio_mcp.sandbox.paging import page, whole_number
from cio_mcp.sandbox.replies import Refusal, Reply, Shape, json_reply
from cio_mcp.sandbox.routing import Call, Route

MESSAGE_PAGE = (50, 1_000)  # App API reference, "List messages"
_MONTHS = 6
_MONTH = 30 * 86_400


def list_messages(call: Call) -> Reply:
    """GET /v1/messages, newest first."""
    query = call.query()
    shown = within_window(call.world.deliveries, query, call.now, months=_MONTHS)
    wanted = query.get("type")
    metric = "drafted" if query.get("drafts") == "true" else query.get("metric")
    kept = [
        delivery
        for delivery in shown
        if wanted in {None, delivery.channel}
        and (metric is None or metric in delivery.metrics(call.now))
        and _from_parent(delivery, query)
    ]
    return listed(kept, call, *MESSAGE_PAGE)


def get_message(call: Call) -> Reply:
    """GET /v1/messages/{message_id}."""
    return json_reply({"message": _delivery(call).as_json(call.now)})


def get_archived_message(call: Call) -> Reply:
    """GET /v1/messages/{message_id}/archived_message: the content that was sent, unless it was not retained."""
    delivery = _delivery(call)
    content = {} if delivery.forgotten else delivery.content
    shown = {
        "id": delivery.id,
        "body": content.get("body", ""),
        "from": content.get("from", ""),
        "reply_to": content.get("reply_to", ""),
        "recipient": delivery.recipient,
        "subject": delivery.subject or "",
        "cc": content.get("cc", ""),
        "bcc": content.get("bcc", ""),
        "fake_bcc": bool(content.get("fake_bcc")),
        "preheader_text": content.get("preheader", ""),
        "url": "",
        "request_method": "",
        "headers": content.get("headers", ""),
        "forgotten": delivery.forgotten,
    }
    return json_reply({"archived_message": shown})


def list_transactional(call: Call) -> Reply:
    """GET /v1/transactional."""
    return json_reply({"messages": [template.as_json() for template in call.world.templates.values()]})


def get_transactional(call: Call) -> Reply:
    """GET /v1/transactional/{transactional_id}."""
    template = call.world.templates.get(call.number("transactional_id"))
    if template is None:
        raise Refusal(404, "transactional message not found")
    return json_reply({"message": template.as_json()})


def list_workspaces(call: Call) -> Reply:
    """GET /v1/workspaces."""
    world = call.world
    sent = sum("sent" in delivery.metrics(call.now) for delivery in world.deliveries)
    shown = {
        "id": call.workspace_id,
        "name": "Sandbox",
        "messages_sent": sent,
        "billable_messages_sent": sent,
        "people": len(world.people),
        "object_types": len({thing.type_id for thing in world.objects}),
        "objects": len(world.objects),
    }
    return json_reply({"workspaces": [shown]})


def ip_addresses(_call: Call) -> Reply:
    """GET /v1/info/ip_addresses: the sandbox calls webhooks from this machine alone."""
    return json_reply({"ip_addresses": ["127.0.0.1"]})


def within_window(deliveries: Iterable[Delivery], query: dict[str, str], now: float, *, months: int) -> list[Delivery]:
    """Return the deliveries created in start_ts..end_ts, newest first; the window is cut to `months` before its end."""
    end = whole_number(query, "end_ts", int(now) + 1)
    start = max(whole_number(query, "start_ts", 0), end - months * _MONTH)
    kept = [d for d in deliveries if start <= d.created <= end and d.created <= now]
    kept.sort(key=lambda delivery: delivery.created, reverse=True)
    return kept


def listed(deliveries: list[Delivery], call: Call, default: int, most: int) -> Reply:
    """Return one page of deliveries."""
    found, following = page(deliveries, call.query(), default, most)
    shown = [delivery.as_json(call.now) for delivery in found]
    return json_reply({"messages": shown, "next": following})


def _from_parent(delivery: Delivery, query: dict[str, str]) -> bool:
    origin = delivery.origin
    parents = {
        "campaign_id": origin.campaign_id,
        "newsletter_id": origin.newsletter_id,
        "action_id": origin.action_id,
    }
    return all(name not in query or query[name] == str(number) for name, number in parents.items())


def _delivery(call: Call) -> Delivery:
    delivery = call.world.deliveries.find(call.params["message_id"])
    if delivery is None or delivery.created > call.now:
        raise Refusal(404, "message not found")
    return delivery


def _route(path: str, handler: Callable[[Call], Reply], *, public: bool = False) -> Route:
    return Route(method="GET", path=path, handler=handler, shape=Shape.DETAIL_STATUS, public=public)


ROUTES = (
    _route("/v1/messages", list_messages),
    _route("/v1/messages/{message_id}", get_message),
    _route("/v1/messages/{message_id}/archived_message", get_archived_message),
    _route("/v1/transactional", list_transactional),
    _route("/v1/transactional/{transactional_id}", get_transactional),
    _route("/v1/workspaces", list_workspaces),
    _route("/v1/info/ip_addresses", ip_addresses, public=True),
)
