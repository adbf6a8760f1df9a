"""Limits that replicas on several machines share through an engine: Redis, Valkey or PostgreSQL."""

from cio_mcp.limiter.engine.limiter import EngineLimiter
from cio_mcp.limiter.engine.link import EngineLink
from cio_mcp.limiter.engine.opening import opened
from cio_mcp.limiter.engine.terms import Engine, Unreachable, Unshared

__all__ = ["Engine", "EngineLimiter", "EngineLink", "Unreachable", "Unshared", "opened"]
