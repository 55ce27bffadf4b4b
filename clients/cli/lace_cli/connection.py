"""Where the API is and with which token, for the commands that speak to it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lace_cli.failures import NOT_ALLOWED, NOT_REACHED, CommandError

if TYPE_CHECKING:
    from lace_client import LaceClient
    from lace_standalone.folder import DataFolder

URL_VARIABLE = "LACE_URL"
TOKEN_VARIABLE = "LACE_TOKEN"
_DATA_DIR_VARIABLE = "LACE_DATA_DIR"


@dataclass(frozen=True)
class Target:
    """An API to speak to."""

    url: str
    token: str


def connect() -> LaceClient:
    """A client of the API; the caller closes it. Raises CommandError where none can be found."""
    from lace_client import LaceClient

    target = find_target()
    return LaceClient(target.url, target.token)


def find_target() -> Target:
    """LACE_URL and LACE_TOKEN; what they leave open comes from the installation on the data folder.

    Raises CommandError NOT_RUNNING, NO_TOKEN.
    """
    url = find_url()
    token = _variable(TOKEN_VARIABLE) or data_folder().token()
    if not token:
        raise CommandError(
            f"There is no token for {url}.",
            code="NO_TOKEN",
            advice=f"Set {TOKEN_VARIABLE}.",
            exit_code=NOT_ALLOWED,
        )
    return Target(url, token)


def find_url() -> str:
    """The address alone, without a slash at its end. Raises CommandError NOT_RUNNING."""
    url = _variable(URL_VARIABLE)
    if url:
        return url.rstrip("/")
    folder = data_folder()
    running = folder.running()
    if running is None:
        raise CommandError(
            f"LACE is not running on {folder.path}.",
            code="NOT_RUNNING",
            advice=f"Start it with `lace up`, or set {URL_VARIABLE} and {TOKEN_VARIABLE}.",
            exit_code=NOT_REACHED,
        )
    return running.url


def is_running() -> bool:
    """Whether there is an API to speak to, here or where LACE_URL says."""
    return bool(_variable(URL_VARIABLE)) or data_folder().running() is not None


def data_folder() -> DataFolder:
    """The folder of the installation that this machine's commands mean."""
    from lace_core.settings import SETTINGS
    from lace_standalone.folder import DataFolder

    return DataFolder(Path(_variable(_DATA_DIR_VARIABLE) or SETTINGS["data_dir"].default))


def _variable(name: str) -> str:
    """From the environment, or else from .env in this folder."""
    value = os.environ.get(name)
    if value is None and Path(".env").is_file():
        from dotenv import dotenv_values

        value = dotenv_values(".env").get(name)
    return (value or "").strip()
