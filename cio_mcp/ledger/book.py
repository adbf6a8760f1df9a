"""What a ledger writes in one transaction, whichever engine keeps it: the rules that all kinds of store share."""

from dataclasses import dataclass

from cio_mcp.ledger import admission, chain, confirmations, operations
from cio_mcp.ledger.chain import Keys
from cio_mcp.ledger.clock import Moment
from cio_mcp.ledger.entries import append
from cio_mcp.ledger.pen import Connection, Pen
from cio_mcp.ledger.terms import Confirmation, Intent, State, Terms


@dataclass(frozen=True, slots=True)
class Book:
    """The rules of a ledger with these keys."""

    keys: Keys

    def pen(self, connection: Connection) -> Pen:
        """Return what writes in a transaction that nobody else writes beside."""
        return Pen(connection, self.keys.chain)

    def begin(self, pen: Pen, intent: Intent, terms: Terms, moment: Moment, *, process: str) -> None:
        """Record an intent, and take what it needs; raises Repeated, Overspent or NotConfirmed."""
        admission.check_repeat(pen.connection, intent, terms, moment.tick)
        admission.check_caps(pen.connection, intent, terms.caps, moment.tick)
        spent = {}
        if terms.confirmation is not None:
            confirmations.spend(pen.connection, terms.confirmation, terms.binding, moment)
            spent["confirmation"] = self._mark(terms.confirmation)
        operations.begin(pen, intent, moment, process=process, **spent)

    def ask(self, pen: Pen, confirmation: Confirmation, moment: Moment) -> Confirmation:
        """Keep a confirmation, and record that it was asked for; a person is asked for the same only once."""
        if asked := confirmations.asked_already(pen.connection, confirmation, moment):
            return asked
        confirmations.keep(pen.connection, confirmation, moment)
        self._note(pen, "asked", confirmation, moment)
        return confirmation

    def decide(self, pen: Pen, handle: str, state: State, by: str, moment: Moment) -> Confirmation:
        """Approve or reject a confirmation, and record who did; raises NotConfirmed."""
        decided = confirmations.decide(pen.connection, handle, state, by, moment)
        self._note(pen, state.value, decided, moment)
        return decided

    def withdraw(self, pen: Pen, handle: str, by: str, moment: Moment) -> Confirmation:
        """Take back a confirmation that was not spent, and record why it is no longer good; raises NotConfirmed."""
        withdrawn = confirmations.withdraw(pen.connection, handle, by, moment)
        self._note(pen, State.REJECTED.value, withdrawn, moment)
        return withdrawn

    def digest(self, *parts: str) -> str:
        """Return a keyed digest of texts, in hexadecimal."""
        return chain.digest(self.keys.digest, *parts)

    def _note(self, pen: Pen, kind: str, confirmation: Confirmation, moment: Moment) -> None:
        members = {name: getattr(confirmation, name) for name in ("operation", "tool", "principal", "workspace", "by")}
        members |= {"confirmation": self._mark(confirmation.handle), "audience": confirmation.audience}
        append(pen, moment.now, kind, {name: value for name, value in members.items() if value not in (None, "")})

    def _mark(self, handle: str) -> str:
        """Return what stands for a handle in the records: whoever reads them must not be able to use it."""
        return self.digest("confirmation", handle)[:16]
