"""What a program says: the message of an action, or of a newsletter's variant, as it is set in the UI."""

from dataclasses import dataclass

from cio_mcp.sandbox.replies import JsonObject

_SENDER = "shop@example.com"


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """The message of an action of a campaign or broadcast, or a newsletter's variant; `body` may hold Liquid."""

    id: int
    created: int
    channel: str = "email"
    name: str = ""
    subject: str = ""
    body: str = ""
    parent_action_id: int | None = None

    def as_action(self, **owner: int) -> JsonObject:
        """Return the action object of the App API; `owner` is its campaign_id or broadcast_id."""
        own: JsonObject = {"id": self.id, **owner, "sending_state": "automatic", "created": self.created}
        own["updated"] = self.created
        return own | self._content() | ({"parent_action_id": self.parent_action_id} if self.parent_action_id else {})

    def as_variant(self, newsletter_id: int) -> JsonObject:
        """Return the content object of the App API."""
        return {"id": self.id, "newsletter_id": newsletter_id} | self._content()

    def _content(self) -> JsonObject:
        return {
            "deduplicate_id": f"{self.id}:{self.created}",
            "name": self.name,
            "layout": "",
            "body": self.body,
            "type": self.channel,
            "language": "",
            "from": _SENDER,
            "from_id": 1,
            "reply_to": "",
            "reply_to_id": None,
            "preprocessor": "premailer",
            "recipient": "{{customer.email}}",
            "subject": self.subject,
            "cc": "",
            "bcc": "",
            "fake_bcc": True,
            "preheader_text": "",
            "body_amp": "",
            "headers": "[]",
        }
