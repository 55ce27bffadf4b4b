"""The bus that the process's configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lace_core.topics import TOPICS
from lace_platform.bus.port import Bus
from lace_platform.db.roles import role_password

if TYPE_CHECKING:
    from lace_platform.config import ProcessConfig


def open_bus(config: ProcessConfig) -> Bus:
    """A bus on Kafka or on the services' Postgres, not yet started."""
    # Imported on use: a process that runs on one of them pays nothing for the other's driver.
    if config.bus == "kafka":
        from lace_platform.bus.kafka import KafkaBus

        return KafkaBus(config.kafka_bootstrap, topics=TOPICS, partitions=config.kafka_partitions)
    from lace_platform.bus.postgres import PostgresBus
    from lace_platform.db.migrations import BUS_ROLE

    return PostgresBus(config.dsn, password=role_password(config.db_role_secret, BUS_ROLE))
