"""The key of a portal, read when it is needed from where the settings say. It is in no setting, log or database."""

import base64
from collections.abc import Mapping
from pathlib import Path

from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.files import is_open
from hub_pipelines.settings.portals import PortalAuth


def key_headers(name: str, auth: PortalAuth | None, home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The headers that carry it. Raises SettingsError when it is not there, or others may read its file."""
    if auth is None:
        return {}
    secret = _from_environment(name, auth.env, environment) if auth.env else _from_file(name, home / auth.file)
    if auth.kind == "bearer":
        return {"authorization": f"Bearer {secret}"}
    if auth.kind == "header":
        return {auth.header.lower(): secret}
    pair = base64.b64encode(f"{auth.user}:{secret}".encode()).decode("ascii")
    return {"authorization": f"Basic {pair}"}


def _from_environment(name: str, variable: str, environment: Mapping[str, str]) -> str:
    secret = environment.get(variable, "").strip()
    if not secret:
        raise SettingsError(
            f"[portals.{name}] auth: the environment variable {variable} is not set. "
            "Set it for `hub up` and `hub poll`."
        )
    return secret


def _from_file(name: str, path: Path) -> str:
    where = f"[portals.{name}] auth: {path}"
    try:
        if is_open(path):
            raise SettingsError(f"{where} can be read by others. Run `chmod 600 {path}`, and have a new key made.")
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{where} can't be read. Put the portal's key there, for this user alone.") from error
    if not secret:
        raise SettingsError(f"{where} is empty. Put the portal's key there.")
    return secret
