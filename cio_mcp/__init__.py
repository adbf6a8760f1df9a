"""Customer.io for AI agents, as an MCP server."""

__version__ = "0.1.0"
