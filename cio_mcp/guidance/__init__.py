"""What a client can read and start beside the tools: resources, prompts, and completions of their arguments."""

from cio_mcp.guidance.guide import Guide
from cio_mcp.guidance.names import Names

__all__ = ["Guide", "Names"]
