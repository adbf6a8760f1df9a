"""Which workspaces an agent may reach, with what, and the face that it is shown."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from mcp import types

from cio_mcp.agents.agent import Agent
from cio_mcp.catalog.params import Params
from cio_mcp.delivery import Course
from cio_mcp.faces.choice import Choice
from cio_mcp.faces.face import Face, native_tool, tools_of
from cio_mcp.native import Answered, NativeTool
from cio_mcp.pipeline import Pipeline
from cio_mcp.policy import Policy
from cio_mcp.policy.grants import Grants

FACES = 1_000
"""Agents whose faces are kept; another costs about a millisecond again."""
BOUND_TO_NONE = Policy(agent=Grants(origin="the workspaces file, which binds this agent to none"))


class ListWorkspacesHere(Params):
    """List the workspaces that you can name as workspace, and where each lives."""


LIST_WORKSPACES = NativeTool(name="list_workspaces_here", params=ListWorkspacesHere, read_only=True, open_world=False)


def face_of(pipelines: Mapping[str, Pipeline], front: Pipeline | None = None) -> Face:
    """Return the face of an agent who may reach these workspaces; `front` is needed only if there are none."""
    choice = Choice(tuple(pipelines))
    own = {LIST_WORKSPACES.name: _workspaces_listed(pipelines)} if choice.is_open else {}
    tools: dict[str, types.Tool] = {}
    for pipeline in pipelines.values():
        tools |= {tool.name: tool for tool in tools_of(pipeline, choice)}
    tools |= {name: native_tool(answered.tool) for name, answered in own.items()}
    return Face(
        pipelines=pipelines,
        front=front or next(iter(pipelines.values())),
        choice=choice,
        own=own,
        listed=types.ListToolsResult(tools=list(tools.values())),
    )


def _workspaces_listed(pipelines: Mapping[str, Pipeline]) -> Answered:
    async def answer(_params: Params, _course: Course) -> dict[str, Any]:
        return {"workspaces": [{"workspace": name, "region": each.region} for name, each in pipelines.items()]}

    return Answered(tool=LIST_WORKSPACES, answer=answer)


class Reception:
    """Shows every agent its own face.

    `pipelines` are all workspaces of this server by name, in the operator's order; `bound` are the names of those that
    the operator binds agents to; `policy` returns what an agent may do with them.
    """

    def __init__(
        self,
        pipelines: Mapping[str, Pipeline],
        *,
        bound: Mapping[str, frozenset[str]],
        policy: Callable[[Agent], Policy],
    ) -> None:
        self._pipelines = pipelines
        self._bound = bound
        self._policy = policy
        self._faces: OrderedDict[Agent, Face] = OrderedDict()

    def face(self, agent: Agent) -> Face:
        """Return the face of an agent."""
        # When a token ends is the authenticator's business, and no part of what its agent is shown.
        agent = replace(agent, expires_at=None)
        if agent not in self._faces:
            self._faces[agent] = self._new_face(agent)
        self._faces.move_to_end(agent)
        while len(self._faces) > FACES:
            self._faces.popitem(last=False)
        return self._faces[agent]

    def _new_face(self, agent: Agent) -> Face:
        reach, policy = self._reach(agent), self._policy(agent)
        if reach is None and agent.is_operator:  # what agents did is theirs to see everywhere, and nothing else
            reach, policy = frozenset(self._pipelines), BOUND_TO_NONE
        serving = partial(Pipeline.serving, policy=policy, principal=agent.principal, oversees=agent.is_operator)
        mine = {name: serving(pipeline) for name, pipeline in self._pipelines.items() if name in (reach or ())}
        return face_of(mine, serving(next(iter(self._pipelines.values()))))

    def _reach(self, agent: Agent) -> frozenset[str] | None:
        """Return the names of the workspaces that an agent may reach, None if nobody said which of several.

        What its token names narrows what the operator binds it to, and says it alone for one that is not bound.
        """
        bound = next((self._bound[name] for name in agent.listed_as if name in self._bound), None)
        if bound is None:
            only = frozenset(self._pipelines) if len(self._pipelines) == 1 else None
            return only if agent.workspaces is None else agent.workspaces
        return bound if agent.workspaces is None else bound & agent.workspaces
