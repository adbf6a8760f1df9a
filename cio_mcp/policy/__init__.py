"""Who may do what: pure decisions over a tool's declaration, a call's arguments and what the operator set."""

from cio_mcp.policy.decision import Decision, Policy
from cio_mcp.policy.grants import Grants
from cio_mcp.policy.words import ANY, PERMISSIONS, PERSONAL, Grant

__all__ = ["ANY", "PERMISSIONS", "PERSONAL", "Decision", "Grant", "Grants", "Policy"]
