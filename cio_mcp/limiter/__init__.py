"""Client-side sliding-window limits that a server's own window never contradicts."""

from cio_mcp.limiter.engine import Engine, EngineLimiter, EngineLink, Unreachable, Unshared, opened
from cio_mcp.limiter.rates import Rate
from cio_mcp.limiter.shared import SharedBudget, SharedLimiter
from cio_mcp.limiter.shared_file import SharedFile
from cio_mcp.limiter.waiting import Budget, Overdue, Permit, WindowLimiter

__all__ = [
    "Budget",
    "Engine",
    "EngineLimiter",
    "EngineLink",
    "Overdue",
    "Permit",
    "Rate",
    "SharedBudget",
    "SharedFile",
    "SharedLimiter",
    "Unreachable",
    "Unshared",
    "WindowLimiter",
    "opened",
]
