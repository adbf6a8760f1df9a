"""What this process still knows of its calls that the ledger, which holds no personal data, does not."""

from collections import OrderedDict

from cio_mcp.catalog.endpoint import Endpoint
from cio_mcp.catalog.json_values import json_size
from cio_mcp.catalog.params import Params

CALLS = 200
"""Unknown outcomes are rare; so many at once are an outage, after which arguments can be given again."""
BYTES = 20_000_000
"""Of all arguments together: one call can carry 10 MB."""


class Recollection:
    """The arguments of recent calls of unknown outcome, in memory only."""

    def __init__(self, *, calls: int = CALLS, size: int = BYTES) -> None:
        self._calls, self._size = calls, size
        self._kept: OrderedDict[str, tuple[Endpoint, Params, int]] = OrderedDict()
        self._used = 0

    def keep(self, operation: str, endpoint: Endpoint, params: Params) -> None:
        """Keep the arguments of a call until it is settled; the oldest make room."""
        self.forget(operation)
        size = json_size(params.model_dump(mode="json", by_alias=True, exclude_none=True))
        if size > self._size:
            return
        self._kept[operation] = (endpoint, params, size)
        self._used += size
        while len(self._kept) > self._calls or self._used > self._size:
            self.forget(next(iter(self._kept)))

    def recall(self, operation: str) -> Params | None:
        """Return the arguments of a call, if they are still known."""
        found = self._kept.get(operation)
        return found[1] if found else None

    def forget(self, operation: str) -> None:
        """Drop the arguments of a call."""
        found = self._kept.pop(operation, None)
        self._used -= found[2] if found else 0
