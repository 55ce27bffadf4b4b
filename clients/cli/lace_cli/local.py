"""What commands that start services here have in common: the process's configuration, and where its log goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lace_platform.config import ProcessConfig

LOG_FILE = "lace.log"
_LOG_LIMIT_BYTES = 10 << 20


def loaded_config() -> ProcessConfig:
    """The process's configuration; a remark on it goes to stderr, where it spoils no output. Raises LaceError."""
    import structlog

    from lace_platform.config import load_process_config

    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        return load_process_config()
    finally:
        structlog.configure(**before)


def configured(*, verbose: bool, service: str = "lace") -> ProcessConfig:
    """The process's configuration; its log goes to the terminal or to a file in the data folder.

    Raises LaceError SETTING_INVALID.
    """
    from lace_platform import telemetry

    config = loaded_config()
    if verbose:
        telemetry.configure(service, config)
    else:
        telemetry.configure(service, config, _fresh_log(config.data_dir / LOG_FILE).open("a", buffering=1))
    return config


def _fresh_log(path: Path) -> Path:
    """One old log is kept: enough to look at what happened, and no disk ever fills."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path
