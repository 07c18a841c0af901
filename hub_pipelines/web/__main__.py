"""Serves the receiver on this machine until told to stop; `hub up` runs it as one of its processes."""

import socket
import sys

import uvicorn

from hub_pipelines.common.errors import HubError, SettingsError
from hub_pipelines.hub import open_hub
from hub_pipelines.web.app import build_app
from hub_pipelines.web.connection import PromptConnection

_BACKLOG = 256
_STOP_S = 10
_SWITCH_S = 0.0005
"""So long the thread that writes a group keeps the interpreter while others wait for it; by default ten times as long,
which is longer than a whole group takes."""


def serve(port: int) -> None:
    """Until SIGTERM or Ctrl-C; requests at work are answered first. Raises SettingsError when the port is taken."""
    sys.setswitchinterval(_SWITCH_S)
    hub = open_hub()
    listening = _listening(port)
    server = uvicorn.Config(
        build_app(hub),
        http=PromptConnection,
        ws="none",
        lifespan="on",
        loop="uvloop",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_S,
    )
    uvicorn.Server(server).run([listening])


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"Messages can't be taken: port {port} can't be listened at ({error.strerror}). "
            "Stop what uses it, or set another in hub.toml: [messages] port."
        ) from error


if __name__ == "__main__":
    try:
        serve(int(sys.argv[1]))
    except HubError as error:
        sys.exit(str(error))
