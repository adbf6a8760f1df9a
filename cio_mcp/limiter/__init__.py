"""Client-side sliding-window limits that a server's own window never contradicts."""

from cio_mcp.limiter.rates import Rate
from cio_mcp.limiter.shared import SharedBudget, SharedLimiter
from cio_mcp.limiter.shared_file import SharedFile
from cio_mcp.limiter.waiting import Budget, Overdue, Permit, WindowLimiter

__all__ = ["Budget", "Overdue", "Permit", "Rate", "SharedBudget", "SharedFile", "SharedLimiter", "WindowLimiter"]
