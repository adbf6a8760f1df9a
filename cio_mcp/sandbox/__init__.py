"""Customer.io on one's own machine, written from its specification.

The sandbox checks keys, sizes and required fields, enforces exact sliding windows, pages as the API pages, answers in
the API's error shapes, keeps people, events, segments and messages as real state, signs reporting webhooks, and fails
on demand. It imports nothing of the rest of `cio_mcp`: what it accepts is what the specification says, not what our
client happens to send. Track (/api/v1, /api/v2) and App (/v1) share one port.

In process::

    app = create_app(world=seeded_world(time.time))
    client = httpx2.AsyncClient(transport=InProcess(app), base_url="http://sandbox")

Over a socket::

    with running_sandbox(limits=Limits(app=None)) as sandbox:
        requests.get(f"{sandbox.url}/v1/segments", headers={"Authorization": "Bearer sandbox-app-key"})

`app.state` holds `world`, `faults`, `journal` (what was received), `keys`, and `undelivered` (webhook events nobody
took). The stand-alone sandbox has paths of its own, without a key and outside every limit:

- `POST /_sandbox/faults`: arm a `Fault` (its fields as a JSON object), or a list of them
- `DELETE /_sandbox/faults`: disarm all
- `GET /_sandbox/state`: how much of everything there is
- `GET /_sandbox/journal`: the last 100 requests, without their credentials
- `POST /_sandbox/reset`: the world as it was built, no faults, empty windows and journal

A fault that closes the connection does so under uvicorn (reset sends RST); in process, where there is no connection,
`ConnectionDropped` surfaces, an `httpx2.ReadError`.

Where the specification is silent the sandbox decides: a send to an unknown person is accepted and creates nobody; an
event for an unknown id or address creates the person; a dot segment in a path, plain or encoded, is a 404.
"""

from cio_mcp.sandbox.app import Received, Sandbox, create_app
from cio_mcp.sandbox.auth import Keys
from cio_mcp.sandbox.deliveries import Delays, Outcome
from cio_mcp.sandbox.faults import Fault, Faults
from cio_mcp.sandbox.in_process import InProcess
from cio_mcp.sandbox.seed import seeded_world
from cio_mcp.sandbox.serving import RunningSandbox, running_sandbox, serve
from cio_mcp.sandbox.webhooks import sign
from cio_mcp.sandbox.windows import Limits
from cio_mcp.sandbox.wire import ConnectionDropped
from cio_mcp.sandbox.world import World

__all__ = [
    "ConnectionDropped",
    "Delays",
    "Fault",
    "Faults",
    "InProcess",
    "Keys",
    "Limits",
    "Outcome",
    "Received",
    "RunningSandbox",
    "Sandbox",
    "World",
    "create_app",
    "running_sandbox",
    "seeded_world",
    "serve",
    "sign",
]
