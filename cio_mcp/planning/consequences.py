"""What each write does, whether it can be undone, and what is usually meant instead: one table, as data."""

from collections.abc import Mapping
from dataclasses import dataclass

from cio_mcp.catalog.endpoint import Access, Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What a call does in one sentence, how it can be undone, what is usually meant instead, and whom it reaches.

    `people` is false for what touches no person directly, so that nobody wonders about a missing number.
    """

    does: str
    undo: str
    instead: tuple[str, ...] = ()
    people: bool = True


_NEVER_BACK = "No. What has been sent cannot be called back."
_GONE = "No. The profile and its history are gone for good."
_WRITE_AGAIN = "By writing the old values again, if they are known; campaigns that reacted have reacted."
_EVENT = "No. A recorded event stays, and campaigns may have reacted."
_UNSUBSCRIBE = "To stop campaigns: identify_person with unsubscribed true."
_DRAFT = "To have a person look first: queue_draft true."

CONSEQUENCES: Mapping[str, Consequence] = {
    "identify_person": Consequence(
        does="Create a person, or change their attributes; campaigns may react.",
        undo=_WRITE_AGAIN,
        instead=("To change only somebody who exists: update true, which never creates.",),
    ),
    "delete_person": Consequence(
        does="Delete a person and their history for good.",
        undo=_GONE,
        instead=(_UNSUBSCRIBE, "To take them out of a group: remove_people_from_segment."),
    ),
    "suppress_person": Consequence(
        does="Delete a person for good and block their identifiers from ever being added.",
        undo="No. The block can be lifted (apply_entity, unsuppress); the profile does not come back.",
        instead=(_UNSUBSCRIBE, "Suppressing is for privacy requests only."),
    ),
    "merge_people": Consequence(
        does="Merge the secondary person into the primary and delete the secondary.",
        undo="No. The two cannot be taken apart again.",
        instead=("To add an identifier to a person: identify_person, if nobody else has it.",),
    ),
    "upsert_device": Consequence(
        does="Add a person's device for push messages, or change it.", undo="Yes, with delete_device."
    ),
    "delete_device": Consequence(
        does="Remove a device: its owner gets no push messages there.",
        undo="Yes, by adding the token again with upsert_device.",
        instead=("To pause push messages there: upsert_device with push_enabled false in attributes.",),
    ),
    "track_event": Consequence(
        does="Record an event of a person; campaigns may react and send real messages.", undo=_EVENT
    ),
    "track_anonymous_event": Consequence(
        does="Record an event of somebody not known yet; campaigns may react.", undo=_EVENT
    ),
    "submit_form": Consequence(
        does="Submit a form for a person; campaigns may react and send real messages.",
        undo="No. Each submission stays, and campaigns may have reacted.",
    ),
    "apply_entity": Consequence(
        does="Change one person, object or delivery.",
        undo="delete, suppress and merge cannot be undone; other actions by the opposite action.",
        instead=(_UNSUBSCRIBE,),
    ),
    "apply_batch": Consequence(
        does="Change people, objects and deliveries, several at once.",
        undo="Items that delete, suppress or merge cannot be undone; others by the opposite action, one by one.",
        instead=(_UNSUBSCRIBE, "To try first with one item: apply_entity."),
    ),
    "add_people_to_segment": Consequence(
        does="Put people into a manual segment; campaigns may react.",
        undo="Yes, with remove_people_from_segment; campaigns that reacted have reacted.",
    ),
    "remove_people_from_segment": Consequence(
        does="Take people out of a manual segment; campaigns may react.",
        undo="Yes, with add_people_to_segment; campaigns that reacted have reacted.",
    ),
    "create_segment": Consequence(
        does="Create an empty manual segment.", undo="Yes, with delete_segment.", people=False
    ),
    "delete_segment": Consequence(
        does="Delete a segment and the record of who was in it; its people stay.",
        undo="No. Who was in it must be known to build it again, and what used it must be set up anew.",
        instead=("To empty it or take some people out: remove_people_from_segment.",),
    ),
    "send_email": Consequence(does="Send one e-mail.", undo=_NEVER_BACK, instead=(_DRAFT,)),
    "send_push": Consequence(
        does="Send one push message to a person's devices.", undo=_NEVER_BACK, instead=(_DRAFT,)
    ),
    "send_sms": Consequence(does="Send one SMS.", undo=_NEVER_BACK, instead=(_DRAFT,)),
    "send_in_app": Consequence(does="Send one in-app message.", undo=_NEVER_BACK, instead=(_DRAFT,)),
    "trigger_broadcast": Consequence(
        does="Send a broadcast to its audience, now.",
        undo=_NEVER_BACK,
        instead=("For one person: send_email.", "To try first: ids or emails of people who know of the test."),
    ),
    "send_newsletter": Consequence(
        does="Send a newsletter to its whole audience, now.",
        undo=_NEVER_BACK,
        instead=(
            "For a later time that can still be cancelled: schedule_newsletter.",
            "For one person: send_email.",
        ),
    ),
    "schedule_newsletter": Consequence(
        does="Plan when a newsletter goes to its whole audience, or cancel the plan.",
        undo="Until it is sent, with scheduled_at 0; afterwards no.",
    ),
    "create_collection": Consequence(
        does="Create a collection that messages can read.", undo="Yes, with delete_collection.", people=False
    ),
    "update_collection": Consequence(
        does="Replace all rows of a collection, or rename it.",
        undo="No, unless its rows were read first with get_collection_content: they can then be written again.",
        instead=("To add or change some rows: read all, change those, and give all of them again.",),
        people=False,
    ),
    "delete_collection": Consequence(
        does="Delete a collection and its rows; live messages that read it render empty.",
        undo="No, unless its rows were read first with get_collection_content and a new one is made.",
        instead=("To change what messages show: update_collection.",),
        people=False,
    ),
    "create_reporting_webhook": Consequence(
        does="Start sending events, with personal data, to an outside address.",
        undo="Yes, with update_reporting_webhook and disabled true; what was sent stays there.",
        people=False,
    ),
    "update_reporting_webhook": Consequence(
        does="Replace all settings of a reporting webhook.",
        undo="By writing the old settings again; what was sent to the new address stays there.",
        people=False,
    ),
    "delete_reporting_webhook": Consequence(
        does="Delete a reporting webhook: its address gets no more events.",
        undo="No. A new one can be made, with another signing key; events of the time between are not sent later.",
        instead=("To pause it: update_reporting_webhook with disabled true.",),
        people=False,
    ),
}  # fmt: skip


def consequence_of(endpoint: Endpoint) -> Consequence:
    """Return what a write does; of a tool that the table does not hold, what its declaration tells."""
    undo = "No." if endpoint.access is Access.DESTRUCTIVE else "Not known."
    return CONSEQUENCES.get(endpoint.name) or Consequence(does=endpoint.summary, undo=undo)
