"""Streamable HTTP in both protocol eras, on loopback for one's own programs, or for those who prove who they are.

A request passes, from the outside in: its connection (`connections`), what is under way (`in_flight`), careful
headers and JSON errors (`answers`), host and origin (`entrance`), its body's bounds, whatever authenticates, and
then the MCP endpoint (`endpoint`). Probes (`health`) turn off before the hosts are looked at.
"""

from cio_mcp.transports.http.health import LIVE, READY, Check
from cio_mcp.transports.http.limits import Limits
from cio_mcp.transports.http.serving import Guard, serve_http, serve_routes

__all__ = ["LIVE", "READY", "Check", "Guard", "Limits", "serve_http", "serve_routes"]
