"""The chain of migrations: a document's JSON form, one version at a time, up to the one that this code writes.

A form of an earlier version is never written again and never changed where it is stored; it is migrated when it is
read. A migration is a pure function from the form of version n to that of n + 1, and is never edited once released.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lace_core.migrations.v1_to_v2 import glossary_of_terms

Form = Mapping[str, Any]
Migration = Callable[[Form], Form]

FIRST_VERSION = 1
MIGRATIONS: Mapping[int, Migration] = {1: glossary_of_terms}
CURRENT_VERSION = FIRST_VERSION + len(MIGRATIONS)


class UnknownVersion(ValueError):
    """A form of a version that has no way to the one wanted; `is_newer` where only a newer release knows it."""

    def __init__(self, version: object, newest: int) -> None:
        super().__init__(f"unknown ir_schema_version {version!r}; versions {FIRST_VERSION} to {newest} can be read")
        self.is_newer = isinstance(version, int) and version > newest


class MigrationStuck(RuntimeError):
    """A migration that does not lead from its version to the next: an error in this code, never in the document."""


def version_of(form: Form) -> int:
    """The schema version of a form; where none is written it is the first. Raises UnknownVersion for no version."""
    version = form.get("ir_schema_version", FIRST_VERSION)
    if not isinstance(version, int) or isinstance(version, bool) or version < FIRST_VERSION:
        raise UnknownVersion(version, CURRENT_VERSION)
    return version


def migrate(form: Form, steps: Mapping[int, Migration] = MIGRATIONS, target: int = CURRENT_VERSION) -> Form:
    """The form in the target version; the same object where it has it already.

    Every step has to lead to the very next version, so that the chain ends after target - version steps whatever a
    step does. Raises UnknownVersion, MigrationStuck, and ValueError where the form is none of its version.
    """
    version = version_of(form)
    if version > target:
        raise UnknownVersion(version, target)
    for at in range(version, target):
        step = steps.get(at)
        if step is None:
            raise UnknownVersion(version, at)
        form = step(form)
        if form.get("ir_schema_version") != at + 1:
            raise MigrationStuck(f"the migration of version {at} led to {form.get('ir_schema_version')!r}")
    return form
