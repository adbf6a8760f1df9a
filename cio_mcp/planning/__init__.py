"""What a person must know before a write leaves: what it would touch, read live, and the request itself."""

from cio_mcp.planning.inquiry import Look, Survey
from cio_mcp.planning.plan import READ_LIVE, Plan, plan
from cio_mcp.planning.survey import SECONDS, survey

__all__ = ["READ_LIVE", "SECONDS", "Look", "Plan", "Survey", "plan", "survey"]
