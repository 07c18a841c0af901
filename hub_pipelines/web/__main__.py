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


def serve(port: int) -> None:
    """Until SIGTERM or Ctrl-C; requests at work are answered first. Raises SettingsError when the port is taken."""
    app = build_app(open_hub())  # first: it forks the process that writes, which must not listen
    listening = _listening(port)
    server = uvicorn.Config(
        app,
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
