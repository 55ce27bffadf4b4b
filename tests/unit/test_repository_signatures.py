"""No method reads or writes rows without naming a tenant; what looks across tenants is named here, with its reason."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

_SERVICES = ("control", "runs", "ingest", "llm_gateway", "compiler", "provenance")

# What a class is given decides what it can reach: a transaction or a service's own login reaches a tenant's rows, the
# system's login everyone's.
_REACH_A_TENANT = {"Transaction", "Database"}
_REACH_EVERYONE = {"SystemDatabase"}

# Classes that look across tenants, and why they must. Anything else that could, fails the test.
_ACROSS_TENANTS = {
    "lace_control.adapters.postgres_directory.PostgresDirectory": "a token is looked up before its tenant is known",
    "lace_control.adapters.postgres_units.PostgresUnits": "opens the directory's transactions",
    "lace_ingest.adapters.retrieval.postgres_vector_queue.PostgresVectorQueue": "embeds for all tenants in turns",
    "lace_llm_gateway.adapters.postgres_budgets.PostgresBudgets": "the leases of all tenants share transactions",
    "lace_llm_gateway.adapters.postgres_ledger.PostgresLedger": "the rows of all tenants share statements and commits",
    "lace_llm_gateway.adapters.postgres_batches.PostgresOrphans": "a batch whose process died is any tenant's",
    "lace_llm_gateway.adapters.postgres_versions.PostgresVersionCache": "a provider's versions belong to no tenant",
    "lace_runs.adapters.boundary.GroupCommit": "the boundaries of all runs in a worker share commits",
    "lace_runs.adapters.events.PostgresNews": "one look serves all runs that are watched through a process",
    "lace_runs.adapters.starts.GroupStart": "the starts of all tenants that come at one time share a commit",
    "lace_runs.adapters.lease.WorkerLease": "a worker takes over whatever run has lost its own",
}


def _modules(package: str) -> Iterator[ModuleType]:
    root = importlib.import_module(package)
    yield root
    for found in pkgutil.walk_packages(getattr(root, "__path__", ()), prefix=f"{package}."):
        yield importlib.import_module(found.name)


def _classes(package: str) -> Iterator[type]:
    for module in _modules(package):
        for _, member in inspect.getmembers(module, inspect.isclass):
            if member.__module__ == module.__name__:
                yield member


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _public_methods(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, member in inspect.getmembers(kind, inspect.isroutine):
        if not name.startswith("_"):
            yield name, member


def _given(kind: type) -> set[str]:
    """Names of the types that the constructor asks for."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except ValueError:
        return set()  # made by a built-in type, which is given no transaction
    return {str(parameter.annotation).rsplit(".", 1)[-1] for parameter in parameters}


def _names_a_tenant(function: Callable[..., Any]) -> bool:
    return "tenant_id" in inspect.signature(function).parameters


def _without_tenant(kind: type) -> list[str]:
    if _names_a_tenant(kind):
        return []  # bound to one tenant for its whole life
    return [name for name, method in _public_methods(kind) if not _names_a_tenant(method)]


def _ports() -> list[type]:
    found = [kind for service in _SERVICES for kind in _classes(f"lace_{service}.app")]
    return [kind for kind in found if kind.__name__.endswith("Repository")]


def _adapters() -> list[type]:
    found = [kind for service in _SERVICES for kind in _classes(f"lace_{service}.adapters")]
    return [kind for kind in found if _name(kind) not in _ACROSS_TENANTS]


def _is_unit_of_work(kind: type) -> bool:
    """A transaction's own face has no rows: its repositories have."""
    return hasattr(kind, "commit")


def _violations(kinds: Iterable[type]) -> list[str]:
    return [f"{_name(kind)}.{method}" for kind in kinds for method in _without_tenant(kind)]


def test_every_method_of_a_repository_names_its_tenant() -> None:
    ports = _ports()
    assert {port.__module__.split(".")[0] for port in ports} == {f"lace_{service}" for service in _SERVICES}
    assert [port for port in ports if not list(_public_methods(port))] == []
    assert _violations(ports) == []


def test_every_method_that_reaches_rows_names_its_tenant() -> None:
    reaching = [kind for kind in _adapters() if _given(kind) & _REACH_A_TENANT and not _is_unit_of_work(kind)]
    assert len(reaching) >= len(_SERVICES)
    assert _violations(reaching) == []


def test_only_named_classes_look_across_tenants() -> None:
    assert [_name(kind) for kind in _adapters() if _given(kind) & _REACH_EVERYONE] == []


def test_the_named_classes_exist() -> None:
    known = {_name(kind) for service in _SERVICES for kind in _classes(f"lace_{service}.adapters")}
    assert set(_ACROSS_TENANTS) <= known


class _Forgetful:
    """What the test must find: a method that takes a transaction's word for the tenant."""

    def __init__(self, tx: Transaction) -> None:  # type: ignore[name-defined]  # noqa: F821 - only its name is read
        self._tx = tx

    async def all_rows(self, limit: int) -> None:
        """Rows of whoever."""

    async def rows(self, tenant_id: str) -> None:
        """Rows of a tenant."""


def test_a_forgetful_repository_is_found() -> None:
    assert _given(_Forgetful) & _REACH_A_TENANT
    assert _without_tenant(_Forgetful) == ["all_rows"]
