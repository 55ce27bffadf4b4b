"""DSNs of every form become the parameters of a connection under a service's own role."""

from __future__ import annotations

import pytest

from lace_platform.db.dsn import connection_parameters
from lace_platform.db.roles import role_password
from lace_platform.db.statement import for_psycopg, named


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://admin:secret@/lace?host=%2Frun%2Fpg%20data",
        "postgresql+psycopg://admin:secret@/lace?host=%2Frun%2Fpg%20data",
        "host='/run/pg data' dbname=lace user=admin password=secret",
    ],
)
def test_the_role_takes_the_place_of_the_dsn_s_user(dsn: str) -> None:
    parameters = connection_parameters(dsn, role="lace_runs", password="p:w/@'")
    assert (parameters["host"], parameters["dbname"]) == ("/run/pg data", "lace")
    assert (parameters["user"], parameters["password"]) == ("lace_runs", "p:w/@'")


def test_without_a_role_the_dsn_s_own_user_stays() -> None:
    parameters = connection_parameters("postgresql://admin:secret@db.example:5433/lace?sslmode=verify-full")
    assert (parameters["user"], parameters["password"], parameters["port"]) == ("admin", "secret", "5433")
    assert parameters["sslmode"] == "verify-full"


def test_settings_join_the_options_of_the_dsn() -> None:
    dsn = "postgresql:///lace?options=-c%20work_mem%3D8MB&application_name=mine"
    parameters = connection_parameters(dsn, settings={"lock_timeout": "5s", "search_path": "runs"})
    assert parameters["options"] == "-c work_mem=8MB -c lock_timeout=5s -c search_path=runs"
    assert parameters["application_name"] == "mine"


def test_passwords_differ_by_role_and_by_secret_and_are_always_the_same() -> None:
    assert role_password("s", "lace_runs") == role_password("s", "lace_runs")
    different = {role_password(secret, role) for secret in "ab" for role in ("lace_runs", "lace_runs_system")}
    assert len(different) == 4
    assert min(map(len, different)) >= 64


def test_named_parameters_become_psycopg_s_and_percent_signs_survive() -> None:
    sql = "SELECT CAST(:a AS text[]), x::jsonb, 'at 12:30', 10 % 3 FROM t WHERE b LIKE 'x%' AND c = :c"
    expected = "SELECT CAST(%(a)s AS text[]), x::jsonb, 'at 12:30', 10 %% 3 FROM t WHERE b LIKE 'x%%' AND c = %(c)s"
    assert for_psycopg(sql) == expected
    assert named(sql) is named(sql)
