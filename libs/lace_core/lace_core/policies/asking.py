"""What is asked of a model under a policy: the same question, by the version of its contract with house rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from lace_core import contracts

# For each question what it is called in a policy, and the contract that it is asked under with house rules.
RULED: Mapping[str, tuple[str, contracts.Contract]] = {
    contracts.OUTLINE.name: ("outline", contracts.RULED_OUTLINE),
    contracts.WRITE.name: ("write", contracts.RULED_WRITE),
    contracts.WRITE_MORE.name: ("write", contracts.RULED_WRITE_MORE),
    contracts.ENRICH.name: ("enrich", contracts.RULED_ENRICH),
    contracts.PATCH.name: ("patch", contracts.RULED_PATCH),
}


def kind_of(contract: contracts.Contract) -> str:
    """What a policy calls the question; raises KeyError for one that takes no house rules."""
    return RULED[contract.name][0]


def under_rules(
    contract: contracts.Contract, asked: Struct, house_rules: Sequence[str]
) -> tuple[contracts.Contract, Struct]:
    """Contract and input to ask with; without house rules they are what they were."""
    if not house_rules:
        return contract, asked
    ruled = RULED[contract.name][1]
    return ruled, ruled.input_type(**msgspec.structs.asdict(asked), house_rules=tuple(house_rules))
