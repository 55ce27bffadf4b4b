"""What a policy asks of a paragraph: the rules of a section like the one that it is for."""

from __future__ import annotations

import msgspec

from lace_core.ir import Constraints
from lace_core.paragraphs.spec import ParagraphSpec
from lace_core.policies.in_force import PolicyInForce
from lace_core.policies.ruling import Place, rules_of


def rules_for(policy: PolicyInForce | None, spec: ParagraphSpec) -> Constraints:
    """The constraints of the section that the specification names, or that its title would be."""
    return rules_of(policy, (Place("", is_root=True), Place(spec.section or spec.title, is_root=False)))


def with_phrases(spec: ParagraphSpec, rules: Constraints) -> ParagraphSpec:
    """The specification with the phrases that are forbidden besides its own."""
    phrases = tuple(dict.fromkeys((*spec.forbidden_phrases, *(rules.forbidden_phrases or ()))))
    return msgspec.structs.replace(spec, forbidden_phrases=phrases)
