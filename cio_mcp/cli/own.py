"""The tools that this server answers itself, and the reads without which an agent does not get them."""

from collections.abc import Mapping

from cio_mcp.catalog import CATALOG
from cio_mcp.errors import CioError
from cio_mcp.faces.reception import LIST_WORKSPACES
from cio_mcp.insight.tools import NEEDS as INSIGHT_NEEDS
from cio_mcp.insight.tools import TOOLS as INSIGHT
from cio_mcp.native import RATE_BUDGET, NativeTool
from cio_mcp.operations import OPERATIONS
from cio_mcp.policy import Policy
from cio_mcp.settings import Settings
from cio_mcp.webhooks.tools import NEEDS as WEBHOOK_NEEDS
from cio_mcp.webhooks.tools import TOOLS as WEBHOOKS

OWN: Mapping[str, NativeTool] = {
    tool.name: tool for tool in (RATE_BUDGET, *OPERATIONS, *WEBHOOKS, *INSIGHT, LIST_WORKSPACES)
}


def reads_of(tool: NativeTool) -> tuple[str, ...]:
    """Return the tools of Customer.io that an agent must be allowed to use to get a tool of this server."""
    return {**INSIGHT_NEEDS, **WEBHOOK_NEEDS}.get(tool.name, ())


def refusal_of(policy: Policy, tool: NativeTool) -> CioError | None:
    """Return why one of the reads may not be made, or None if the tool is served."""
    refusals = (policy.refusal(CATALOG[name]) for name in reads_of(tool))
    return next((refusal for refusal in refusals if refusal), None)


def own_served(policy: Policy, settings: Settings) -> list[str]:
    """Return the names of this server's own tools that an agent gets; with one workspace there are none to list."""
    several = settings.workspaces is not None and len(settings.workspaces.entries) > 1
    listed = (tool for tool in OWN.values() if several or tool is not LIST_WORKSPACES)
    return [tool.name for tool in listed if refusal_of(policy, tool) is None]
