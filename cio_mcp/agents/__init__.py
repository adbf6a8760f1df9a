"""Who may call this server over HTTP, and how they prove it."""

from cio_mcp.agents.agent import Agent, AnyOf, Authenticator

__all__ = ["Agent", "AnyOf", "Authenticator"]
