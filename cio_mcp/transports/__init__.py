"""Serves a low-level MCP server over stdio and over streamable HTTP, in every protocol era.

It knows nothing of Customer.io: what it takes is a `mcp.server.lowlevel.Server`. The provisional parts of the
SDK (`mcp.server.runner`, middleware) are used in this package only.
"""

from cio_mcp.transports.http import serve_http
from cio_mcp.transports.leaks import NoLeak, guard_against_leaks
from cio_mcp.transports.stdio import serve_stdio

__all__ = ["NoLeak", "guard_against_leaks", "serve_http", "serve_stdio"]
