"""The roles that a policy may let publish are those that control knows."""

from __future__ import annotations

from typing import get_args

from lace_control.domain.access import _SCOPES_OF_ROLE
from lace_core.policies.model import Role


def test_a_policy_can_name_every_role_and_no_other() -> None:
    assert set(get_args(Role)) == set(_SCOPES_OF_ROLE)
