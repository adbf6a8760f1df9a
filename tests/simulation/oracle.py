"""What must hold: Customer.io's state, the ledger and what agents were told, held against each other."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cio_mcp.catalog import CATALOG, Endpoint, Repeat
from cio_mcp.ledger import Ending
from tests.simulation.customerio import CustomerIo
from tests.simulation.story import Account, Story

REPEAT_WINDOW = 600.0
CONFIRMATION_SECONDS = 600.0
HOUR = 3_600.0
# Ledger times are rounded to milliseconds.
_ROUNDING = 0.01
_NOTHING_DONE = (Ending.FAILED, Ending.REFUSED, Ending.PLANNED, Ending.CANCELLED)
_PARTLY = 207
_EVENTS = ("track_event", "apply_batch")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A story that has come to its end, with the records of its ledger after the next start."""

    story: Story
    customerio: CustomerIo
    records: list[Row]
    left_open: set[str]
    per_hour: int | None
    stalls: bool


def counts(evidence: Evidence) -> Counter[str]:
    """Count what happened, so that nobody takes silence for proof."""
    seen: Counter[str] = Counter()
    for account in evidence.story.accounts.values():
        seen["calls"] += 1
        seen["requests that write"] += account.writes
        seen["effects"] += len(account.effects)
        seen["calls cut short by a kill"] += account.died
        finished = account.finished
        if finished and finished.code in ("held_back", "over_budget", "not_confirmed", "not_recorded"):
            seen[finished.code] += 1
    endings = _endings(evidence.records)
    seen["unknown"] += sum(ending is Ending.UNKNOWN for ending, _ in endings.values())
    seen["settled by a look"] += sum(bool(settled) for _, settled in endings.values())
    seen["confirmations spent"] += sum(account.confirmation is not None for account in evidence.story.accounts.values())
    return seen


def wrongs(evidence: Evidence) -> Iterator[str]:
    """Yield everything that does not hold."""
    accounts = [account for account in evidence.story.accounts.values() if account.step.tool in CATALOG]
    endings = _endings(evidence.records)
    yield from (f"{operation} is still open after the next start" for operation in sorted(evidence.left_open))
    for account in accounts:
        yield from _at_most_once(account)
        yield from _as_recorded(account, endings, evidence)
        yield from _as_told(account, endings)
    yield from _as_stored(accounts, evidence.customerio)
    yield from _no_silent_repeats(accounts, endings)
    yield from _confirmed_once(accounts)
    yield from _confirmed_for_itself(evidence.story)
    if not evidence.stalls:
        yield from _seen_to_the_end(accounts, endings)
    yield from _within_budget(accounts, evidence.per_hour)


def _endings(records: list[Row]) -> dict[str, tuple[Ending | None, str]]:
    """Return how each operation stands at last, and how it was settled, by the records alone."""
    found: dict[str, tuple[Ending | None, str]] = {}
    for record in records:
        if "ending" in record:
            found[record["operation"]] = Ending(record["ending"]), record.get("settled_by", "")
        elif record["kind"] == "intent":
            found[record["operation"]] = None, ""
    return found


def _at_most_once(account: Account) -> Iterator[str]:
    repeat = _endpoint(account).repeat
    if repeat is Repeat.NEVER and len(account.effects) > 1:
        yield f"call {account.step.call} took effect {len(account.effects)} times"
    if account.effects and account.begun_at is None:
        yield f"call {account.step.call} took effect without an intent"


def _as_recorded(
    account: Account, endings: Mapping[str, tuple[Ending | None, str]], evidence: Evidence
) -> Iterator[str]:
    """Compare an outcome with the effects: done, not done, or not known."""
    call, effects = account.step.call, account.effects
    ending, settled = endings.get(account.operation or "", (None, ""))
    if ending is None:
        if account.begun_at is not None or effects:
            yield f"call {call} has no outcome"
        return
    how = f"{ending}, settled by {settled}" if settled else str(ending)
    if ending in _NOTHING_DONE and effects and not any(effect.status == _PARTLY for effect in effects):
        yield f"call {call} is recorded as {how}, and took effect {len(effects)} times"
    if ending is not Ending.OK or _endpoint(account).access == "read" or not account.begun_at:
        return
    gone = account.step.tool == "delete_segment" and not evidence.customerio.has_segment(
        account.step.arguments["segment_id"]
    )
    if not effects and not gone:
        yield f"call {call} is recorded as {how}, and never took effect"


def _as_told(account: Account, endings: Mapping[str, tuple[Ending | None, str]]) -> Iterator[str]:
    """Compare what an agent was told with the record."""
    finished = account.finished
    ending, settled = endings.get(account.operation or "", (None, ""))
    if finished is None or finished.cancelled or ending is None or settled or finished.notice:
        return
    if (finished.code is None and finished.question is None) != (ending is Ending.OK) and ending is not Ending.PLANNED:
        yield f"call {account.step.call} was told {finished.code or 'ok'}, and is recorded as {ending}"
    if (finished.code == "outcome_unknown") and ending is not Ending.UNKNOWN:
        yield f"call {account.step.call} was told that its outcome is unknown, and is recorded as {ending}"


def _as_stored(accounts: list[Account], customerio: CustomerIo) -> Iterator[str]:
    """Compare the effects that were counted with what Customer.io holds."""
    shown = {"send_email": customerio.messages(), "create_segment": customerio.segment_names()}
    shown["create_reporting_webhook"] = customerio.webhook_names()
    shown["send_sms"] = shown["send_email"]
    shown |= dict.fromkeys(_EVENTS, customerio.events())
    counted: dict[tuple[str, str], int] = defaultdict(int)
    for account in accounts:
        if account.step.tool in _EVENTS:
            # However often it is made, an event with the same ULID is stored once.
            counted[account.step.tool, account.marker] += bool(account.effects)
        elif account.step.tool in shown:
            counted[account.step.tool, account.marker] += len(account.effects)
    for (tool, marker), count in counted.items():
        if shown[tool][marker] != count:
            yield f"{tool} {marker}: {count} effects were counted, and Customer.io holds {shown[tool][marker]}"


def _no_silent_repeats(accounts: list[Account], endings: Mapping[str, tuple[Ending | None, str]]) -> Iterator[str]:
    """Find sends that passed although the same had been sent, or may have been."""
    sends = [each for each in accounts if _endpoint(each).sends and each.begun_at is not None]
    for later in sends:
        for earlier in sends:
            if earlier.asked != later.asked or earlier is later or _began(earlier) > _began(later):
                continue
            ending, settled = endings.get(earlier.operation or "", (None, ""))
            recent = _began(later) - _began(earlier) < REPEAT_WINDOW - _ROUNDING
            if not later.allows_repeat and recent and earlier.effects and later.effects:
                yield f"call {later.step.call} repeats call {earlier.step.call} silently"
            ended = earlier.ended_at is not None and earlier.ended_at < _began(later)
            if ended and ending is Ending.UNKNOWN and not settled and later.effects:
                yield f"call {later.step.call} repeats call {earlier.step.call}, whose outcome nobody had looked for"


def _confirmed_once(accounts: list[Account]) -> Iterator[str]:
    spent = Counter(account.confirmation for account in accounts if account.confirmation)
    yield from (f"a confirmation was spent {times} times" for times in spent.values() if times > 1)
    for account in accounts:
        if account.effects and _endpoint(account).gate == "asked" and not account.confirmation:
            yield f"call {account.step.call} took effect unconfirmed"


def _confirmed_for_itself(story: Story) -> Iterator[str]:
    for account in story.accounts.values():
        asked_for = story.handles.get(account.confirmation or "")
        if asked_for and (asked_for.asked, asked_for.step.principal) != (account.asked, account.step.principal):
            yield f"call {account.step.call} was confirmed by what was asked for call {asked_for.step.call}"


def _seen_to_the_end(accounts: list[Account], endings: Mapping[str, tuple[Ending | None, str]]) -> Iterator[str]:
    """Find writes with which nothing went wrong, and whose outcome is not known all the same: given up too early."""
    for account in accounts:
        unknown = endings.get(account.operation or "", (None, ""))[0] is Ending.UNKNOWN
        recorded = not (account.finished and account.finished.notice)
        if unknown and recorded and not account.died and set(account.fates) <= {"fine"}:
            yield f"call {account.step.call} was given up before its outcome was known"


def _within_budget(accounts: list[Account], per_hour: int | None) -> Iterator[str]:
    if per_hour is None:
        return
    sends = [each for each in accounts if _endpoint(each).sends and each.effects]
    for last in sends:
        window = [
            each
            for each in sends
            if each.step.principal == last.step.principal
            and _began(last) - HOUR + _ROUNDING < _began(each) <= _began(last)
        ]
        reached = sum(effect.reached for each in window for effect in each.effects)
        if reached > per_hour:
            yield f"with call {last.step.call} {reached} people were reached in an hour, and {per_hour} may be"


def _endpoint(account: Account) -> Endpoint:
    return CATALOG[account.step.tool]


def _began(account: Account) -> float:
    return account.begun_at if account.begun_at is not None else float("inf")
