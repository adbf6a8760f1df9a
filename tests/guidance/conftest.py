"""Fixtures: a client of our server in front of a sandbox on a socket."""

from tests.insight.conftest import opened, planning_sandbox, sandbox, world

__all__ = ["opened", "planning_sandbox", "sandbox", "world"]
