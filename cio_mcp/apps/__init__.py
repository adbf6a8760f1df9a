"""MCP Apps: what a host may draw of some tools' answers, beside their text, which stays as it is.

Each is one document that loads nothing, is told an answer by the host that shows it, and can change nothing.
"""

from cio_mcp.apps.document import document
from cio_mcp.apps.table import APPS, App, app_at, app_named, app_of, reading, told_of

__all__ = ["APPS", "EXTENSION", "MIME_TYPE", "App", "app_at", "app_named", "app_of", "document", "reading", "told_of"]

EXTENSION = "io.modelcontextprotocol/ui"
MIME_TYPE = "text/html;profile=mcp-app"
"""Both from SEP-1865, revision 2026-01-26."""
