"""Which tool shows what became of a call, and who judges what it shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cio_mcp.catalog.endpoint import Catalog, Endpoint, Repeat
from cio_mcp.catalog.params import Params
from cio_mcp.ledger.terms import Ending, Operation
from cio_mcp.reconcile import messages, programs, things
from cio_mcp.reconcile.answers import Answer, identity
from cio_mcp.reconcile.case import PERSON, Case, Question, Verdict, overlap, unclear


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """How to look for the effect of a call; `judge` gets None when Customer.io knows no such thing.

    `by` is the argument by which two calls of the tool are told apart.
    """

    ask: Callable[[Case, Catalog], Question | None]
    judge: Callable[[Case, Answer | None], Verdict]
    by: str


_MESSAGE = Lookup(ask=messages.ask, judge=messages.judge, by="identifiers")
_CREATED = Lookup(ask=things.ask_shelf, judge=things.judge_shelf, by="name")
_REMOVED = Lookup(ask=things.ask_removed, judge=things.judge_removed, by="")
_LOOKUPS: Mapping[str, Lookup] = {
    **dict.fromkeys(messages.CHANNELS, _MESSAGE),
    **dict.fromkeys(things.SHELVES, _CREATED),
    "trigger_broadcast": Lookup(ask=programs.ask_triggers, judge=programs.judge_triggers, by="broadcast_id"),
    "send_newsletter": Lookup(ask=programs.ask_newsletter, judge=programs.judge_sent, by="newsletter_id"),
    "schedule_newsletter": Lookup(ask=programs.ask_newsletter, judge=programs.judge_planned, by="newsletter_id"),
}


def repeatable(endpoint: Endpoint, params: Params | None) -> Verdict | None:
    """Return what there is to say of a call that may simply be made again; None for any other."""
    match (params.own_repeat() if params else None) or endpoint.repeat:
        case Repeat.SAFE:
            step = f"Call {endpoint.name} again with the same arguments: it changes nothing more."
        case Repeat.DEDUPLICATED:
            number = getattr(params, "id", None)
            how = f"id {number}" if number else "the ULID that the failed call named as id"
            step = f"Call {endpoint.name} again with {how}: Customer.io ignores an event that it already has."
        case _:
            return None
    return Verdict(ending=Ending.UNKNOWN, reason="It need not be looked up: a repeat does no harm.", next_step=step)


def question(case: Case, catalog: Catalog) -> Question | Verdict:
    """Return where to look, or why there is nowhere to look."""
    lookup = _lookup(case)
    asked = lookup.ask(case, catalog) if lookup else None
    if asked is not None and asked.tool in catalog:
        return asked
    seen = f" {case.endpoint.check_with} may show traces of it." if case.endpoint.check_with else ""
    return unclear(f"Customer.io's API cannot show for certain whether this call took effect.{seen}", PERSON)


def judge(case: Case, answer: Answer | None) -> Verdict:
    """Return what follows from the answer to the question; None is a 404."""
    lookup = _lookup(case)
    return lookup.judge(case, answer) if lookup else unclear("It cannot be looked up.")


def follow_up(case: Case, verdict: Verdict) -> tuple[Question, Callable[[Verdict, Answer | None], Verdict]] | None:
    """Return what must be asked next before a verdict stands, and who judges that."""
    if case.endpoint.name == "trigger_broadcast" and verdict.ending is Ending.OK:
        return programs.ask_errors(case, verdict), programs.judge_errors
    sharers = messages.ask_sharers(case) if case.endpoint.name in messages.CHANNELS else None
    return (sharers, messages.judge_sharers) if sharers and verdict.ending is Ending.FAILED else None


def _lookup(case: Case) -> Lookup | None:
    own = _LOOKUPS.get(case.endpoint.name)
    repeat = case.params.own_repeat() or case.endpoint.repeat
    return own or (_REMOVED if repeat is Repeat.SAFE_UNLESS_RECREATED else None)


def made(endpoint: Endpoint, params: Params, answer: Answer) -> str | None:
    """Return the name of what a call made, from the answer that says so, to be claimed; None if nothing is counted."""
    if endpoint.name in messages.CHANNELS:
        number = identity(answer.get("delivery_id"))
        return messages.claim_of(number) if number is not None else None
    if endpoint.name == "trigger_broadcast":
        return programs.claim_of(getattr(params, "broadcast_id", None), answer.get("id"))
    return things.claim_in(endpoint.name, answer)


def are_rivals(endpoint: Endpoint, one: Operation, other: Operation) -> bool:
    """Say whether another call of the tool may have made what a look for this one finds, and nobody knows what it made.

    It may have made it for as long as it was under way, or could be.
    """
    is_known = other.outcome is not None and bool(other.outcome.made)
    return not is_known and overlap(one, other) and not told_apart(endpoint, one, other)


def told_apart(endpoint: Endpoint, one: Operation, other: Operation) -> bool:
    """Say whether two calls of a tool were certainly about different people or things, by their redacted arguments."""
    lookup = _LOOKUPS.get(endpoint.name)
    if lookup is None:
        return True
    mine, theirs = one.intent.arguments.get(lookup.by), other.intent.arguments.get(lookup.by)
    if mine is None or theirs is None or mine == theirs:
        return False
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        return mine.keys() == theirs.keys()  # one person may have an id and an address
    return True
