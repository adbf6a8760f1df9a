"""What each agent is shown, and how its calls find the workspace they mean."""

from cio_mcp.faces.face import META, Face
from cio_mcp.faces.reception import Reception, face_of

__all__ = ["META", "Face", "Reception", "face_of"]
