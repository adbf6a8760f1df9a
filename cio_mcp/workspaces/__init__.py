"""Several workspaces behind one server: which there are, who may reach which, and how a call says which it means."""

from cio_mcp.workspaces.references import NothingThere, Reference, Unreadable
from cio_mcp.workspaces.workspaces_file import Entry, WorkspacesFile, read_workspaces_file

__all__ = ["Entry", "NothingThere", "Reference", "Unreadable", "WorkspacesFile", "read_workspaces_file"]
