"""What policies come to: inheritance that never loosens, explanations, differences, and what they do to a run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core import contracts
from lace_core.actions import Action, InsertBlock, SetNodeState, SetSummary
from lace_core.constraints import _is_tighter
from lace_core.contracts import Carried, Written, WrittenParagraph, WrittenSentence
from lace_core.errors import LaceError, Reason
from lace_core.ir import Artifact, Constraints, GlossaryTerm, Node, NodeState, Paragraph, Sentence
from lace_core.planning import Grounds
from lace_core.policies.asking import under_rules
from lace_core.policies.comparing import compare
from lace_core.policies.explaining import explain, explain_place
from lace_core.policies.in_force import PolicyInForce, pinned_in, restored, stored
from lace_core.policies.inheritance import lay
from lace_core.policies.keeping_out import allowed_actions, allowed_blocks, ruled_out, was_ruled_out
from lace_core.policies.parsing import parse
from lace_core.policies.publishing import may_publish
from lace_core.policies.resolving import resolve
from lace_core.policies.ruling import Place, fits, instructions, loosened, places_to, ruled, rules_of
from lace_core.policies.settings import refuse_models, under
from lace_core.prompt_pins import pins_of
from lace_core.settings import resolve as resolve_settings
from lace_core.writing import SentenceVerdict

COMPANY = """\
policy: company
version: 1
constraints:
  must_cite: true
  max_words: 500
  tone: sober
  forbidden_phrases: [world-class]
  glossary: [{term: pump, definition: moves water, avoid: [mover]}]
  locked: [must_cite, forbidden_phrases, glossary]
house_rules:
  all: [Third person.]
prompts: {lace.write.v1: "%s"}
redaction: {before: remote, kinds: [emails], patterns: ['X-[0-9]+']}
models: {allow: [extractive, openai/gpt-4o*]}
publish: {roles: [tenant_admin], min_supported_percent: 90}
""" % ("1" * 64)
TEAM = """\
policy: team
version: 3
extends: company@1
constraints:
  must_cite: false
  max_words: 900
  forbidden_phrases: [cutting edge]
  glossary: [{term: pump, definition: another, avoid: [thing]}, {term: main}]
sections:
  - title: Cost*
    constraints: {max_words: 100}
house_rules:
  write: [Say when.]
prompts: {lace.write.v1: "%s"}
redaction: {before: "off", kinds: [phones]}
models: {allow: [openai/gpt-4o-mini, gemini]}
publish: {principals: [prn_1], min_supported_percent: 50, suites: [smoke], empty_review_queue: true}
""" % ("2" * 64)


def of(*texts: str) -> PolicyInForce:
    """What the first of the texts comes to, which extends the others."""
    return resolve([parse(text) for text in texts]).policy


def test_a_policy_adds_to_what_it_extends_and_loosens_nothing_that_is_locked() -> None:
    resolution = resolve([parse(TEAM), parse(COMPANY)])
    policy = resolution.policy
    asked = policy.constraints
    assert (asked.must_cite, asked.max_words, asked.tone) == (True, 900, "sober")
    assert asked.forbidden_phrases == ("world-class", "cutting edge")
    pump = GlossaryTerm(term="pump", definition="moves water", avoid=("mover", "thing"))
    assert asked.glossary == (pump, GlossaryTerm(term="main"))
    assert policy.house_rules["write"] == ("Third person.", "Say when.")
    assert policy.house_rules["outline"] == ("Third person.",)
    assert (policy.redact_before, policy.redaction_kinds) == ("remote", ("emails", "phones"))
    assert policy.models == ("openai/gpt-4o-mini",)
    assert (policy.publish.min_supported_percent, policy.publish.suites) == (90, ("smoke",))
    assert [(f.line, f.pointer) for f in resolution.findings] == [
        (5, "/constraints/must_cite"), (15, "/redaction/before"), (16, "/models/allow/1"),
        (17, "/publish/min_supported_percent"),
    ]  # fmt: skip
    assert {(f.code, f.severity) for f in resolution.findings} == {("POLICY_LOOSENS", "warning")}
    assert [link.name for link in policy.chain] == ["team@3", "company@1"]


def test_each_value_says_which_line_of_which_policy_set_it() -> None:
    rows = {row.pointer: (row.set_by, row.line, row.locked_by) for row in explain(of(TEAM, COMPANY))}
    assert rows["/constraints/must_cite"] == ("company@1", 4, "company@1")
    assert rows["/constraints/max_words"] == ("team@3", 6, "")
    assert rows["/constraints/forbidden_phrases"] == ("team@3", 7, "company@1")
    assert rows["/sections/0/constraints/max_words"] == ("team@3", 11, "")
    assert rows["/house_rules/write/0"] == ("company@1", 11, "")
    assert rows["/house_rules/write/1"] == ("team@3", 13, "")
    assert rows["/redaction/before"] == ("company@1", 13, "")
    assert rows["/publish/who/1"] == ("team@3", 17, "")


def test_what_a_run_pins_comes_back_as_it_was() -> None:
    policy = of(TEAM, COMPANY)
    assert restored(stored(policy)) == policy
    assert pinned_in(under(policy, _settings())) == policy
    assert pinned_in(_settings()) is None


# -- inheritance, for any constraints -----------------------------------------------------------------------------

_WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=3, unique=True).map(tuple)
_TERMS = st.lists(
    st.builds(GlossaryTerm, term=st.sampled_from(["t", "u"]), definition=st.sampled_from(["", "x", "y"]), avoid=_WORDS),
    max_size=2,
    unique_by=lambda term: term.term,
).map(tuple)
_CONSTRAINTS = st.builds(
    Constraints,
    must_cite=st.none() | st.booleans(),
    no_split=st.none() | st.booleans(),
    max_words=st.none() | st.integers(1, 4),
    min_words=st.none() | st.integers(0, 4),
    min_citations_per_block=st.none() | st.integers(0, 3),
    tone=st.none() | st.sampled_from(["sober", "warm"]),
    forbidden_phrases=st.none() | _WORDS,
    competency_questions=st.none() | _WORDS,
    allowed_fact_ids=st.none() | _WORDS,
    glossary=st.none() | _TERMS,
    locked=st.lists(
        st.sampled_from(["must_cite", "max_words", "min_words", "tone", "forbidden_phrases", "glossary"]), unique=True
    ).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(_CONSTRAINTS, _CONSTRAINTS)
def test_nothing_that_is_locked_is_ever_loosened(below: Constraints, above: Constraints) -> None:
    laid = lay(below, above)
    for name in below.locked:
        if getattr(below, name) is not None:
            assert _is_tighter(name, getattr(laid.constraints, name), getattr(below, name))
    assert set(laid.constraints.locked) == {*below.locked, *above.locked}
    assert laid.taken.isdisjoint(laid.refused)


@settings(max_examples=40, deadline=None)
@given(_CONSTRAINTS, _CONSTRAINTS)
def test_laying_the_same_over_it_again_changes_nothing(below: Constraints, above: Constraints) -> None:
    once = lay(below, above).constraints
    assert lay(below, once).constraints == once


@settings(max_examples=40, deadline=None)
@given(_CONSTRAINTS, _CONSTRAINTS)
def test_a_difference_is_one_in_both_directions(one: Constraints, other: Constraints) -> None:
    first, second = (PolicyInForce(chain=(), constraints=each) for each in (one, other))
    opposite = {"stricter": "looser", "looser": "stricter", "changed": "changed"}
    there = sorted((c.pointer, c.effect, str(c.before), str(c.after)) for c in compare(first, second))
    back = sorted((c.pointer, opposite[c.effect], str(c.after), str(c.before)) for c in compare(second, first))
    assert there == back
    assert compare(first, first) == []


# -- differences --------------------------------------------------------------------------------------------------


def test_a_difference_says_what_became_stricter() -> None:
    found = [(c.pointer, c.effect, c.before, c.after) for c in compare(of(COMPANY), of(TEAM, COMPANY))]
    assert ("/constraints/max_words", "looser", 500, 900) in found
    assert ("/constraints/forbidden_phrases", "stricter", None, "cutting edge") in found
    assert ("/constraints/glossary/pump/avoid", "stricter", None, "thing") in found
    assert ("/sections/Cost*/max_words", "stricter", None, 100) in found
    assert ("/redaction/kinds", "stricter", None, "phones") in found
    assert ("/models/allow", "changed", None, "openai/gpt-4o-mini") in found
    assert ("/models/allow", "stricter", "extractive", None) in found
    assert ("/publish/empty_review_queue", "stricter", False, True) in found
    assert ("/house_rules/write", "changed", None, "Say when.") in found
    assert "/constraints/must_cite" not in {pointer for pointer, *_ in found}


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        ("constraints: {min_words: 5}", "constraints: {min_words: 9}", "stricter"),
        ("constraints: {max_words: 5}", "", "looser"),
        ("constraints: {locked: [tone]}", "", "looser"),
        ("constraints: {allowed_fact_ids: [a, b]}", "constraints: {allowed_fact_ids: [a]}", "stricter"),
        ("models: {allow: [openai]}", "", "looser"),
        ("models: {allow: [openai]}", "models: {allow: [openai, gemini]}", "looser"),
        ("redaction: {before: all}", "redaction: {before: remote}", "looser"),
        ("publish: {roles: [member]}", "", "looser"),
        ("publish: {roles: [member]}", "publish: {roles: [member, tenant_admin]}", "looser"),
        ("constraints: {tone: warm}", "constraints: {tone: sober}", "changed"),
    ],
)
def test_one_difference_has_its_effect(before: str, after: str, effect: str) -> None:
    head = "policy: p\nversion: 1\n"
    assert [c.effect for c in compare(of(head + before), of(head + after))] == [effect]


# -- what a policy does to a run ----------------------------------------------------------------------------------


def _settings(**values: Any) -> dict[str, Any]:
    return {**resolve_settings([]).values, **{key.replace("__", "."): value for key, value in values.items()}}


def test_redaction_and_prompts_are_added_to_the_settings() -> None:
    own = _settings(llm__redaction="off", llm__redaction_kinds=[], llm__redaction_patterns=["Y"])
    values = under(of(COMPANY), own)
    assert values["llm.redaction"] == "remote"
    assert values["llm.redaction_kinds"] == ["emails"]
    assert values["llm.redaction_patterns"] == ["Y", "X-[0-9]+"]
    assert pins_of(values["llm.prompts"])["lace.write.v1"] == "1" * 64
    stricter = under(of(COMPANY), _settings(llm__redaction="all"))
    assert stricter["llm.redaction"] == "all"


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ({}, True),
        ({"llm.provider": "openai", "llm.model": "gpt-4o-mini"}, True),
        ({"llm.provider": "openai", "llm.model": ""}, False),
        ({"llm.provider": "openai", "llm.model": "o1"}, False),
        ({"llm.provider": "gemini"}, False),
        ({"llm.fallbacks": ["anthropic/claude"]}, False),
        ({"llm.embedding_provider": "gemini"}, False),
    ],
)
def test_a_model_that_is_not_allowed_is_refused(asked: dict[str, Any], allowed: bool) -> None:
    values = under(of(COMPANY), {**_settings(), **asked})
    if allowed:
        refuse_models(values)
        return
    with pytest.raises(LaceError) as failure:
        refuse_models(values)
    assert failure.value.reason is Reason.POLICY_FORBIDS
    assert "company@1" in failure.value.message


def test_too_many_patterns_are_refused_before_any_call() -> None:
    values = under(of(COMPANY), _settings(llm__redaction_patterns=[f"P{at}" for at in range(32)]))
    with pytest.raises(LaceError) as failure:
        refuse_models(values)
    assert failure.value.reason is Reason.POLICY_FORBIDS


def test_who_may_publish_is_narrowed_by_every_policy_of_the_chain() -> None:
    policy = of(TEAM, COMPANY)
    assert may_publish(None, frozenset(), "prn_9").allowed
    assert may_publish(of("policy: p\nversion: 1\n"), frozenset(), "prn_9").allowed
    assert may_publish(policy, {"tenant_admin"}, "prn_1").allowed
    refused = may_publish(policy, {"member"}, "prn_1")
    assert (refused.allowed, refused.reasons) == (False, ("company@1 lets publish: the role tenant_admin.",))
    assert may_publish(policy, {"tenant_admin"}, "prn_2").reasons == ("team@3 lets publish: prn_1.",)
    assert may_publish(of(COMPANY), {"tenant_admin"}, "prn_2").allowed


# -- what a policy does to a document -----------------------------------------------------------------------------


def _document() -> Artifact:
    nodes = (
        Node(node_id="nod_r", parent_id=None, order_key="a", title="Report", constraints=Constraints(max_words=300)),
        Node(node_id="nod_c", parent_id="nod_r", order_key="b", title="Cost and time"),
        Node(node_id="nod_d", parent_id="nod_c", order_key="c", title="Detail", constraints=Constraints(max_words=800)),
    )
    return Artifact(artifact_id="art_1", title="Report", nodes=nodes)


def test_the_rules_of_a_section_hold_for_all_below_it() -> None:
    policy, document = of(TEAM, COMPANY), _document()
    assert rules_of(policy, places_to(document, "nod_r")).max_words == 300
    assert rules_of(policy, places_to(document, "nod_c")).max_words == 100
    deep = rules_of(policy, places_to(document, "nod_d"))
    assert (deep.max_words, deep.must_cite) == (800, True)
    assert rules_of(None, places_to(document, "nod_d")).must_cite is None


def test_an_explanation_for_a_section_names_who_asked_for_it() -> None:
    policy, document = of(TEAM, COMPANY), _document()
    rows = {row.pointer: (row.set_by, row.line) for row in explain_place(policy, places_to(document, "nod_c"))}
    assert rows["/constraints/max_words"] == ("team@3", 11)
    assert rows["/constraints/tone"] == ("company@1", 6)
    own = {row.pointer: row.set_by for row in explain_place(policy, places_to(document, "nod_d"))}
    assert own["/constraints/max_words"] == "the section Detail"


@pytest.mark.parametrize(
    ("pattern", "title", "expected"),
    [("cost*", "Cost and time", True), ("Cost", "Costs", False), ("*risk*", "A RISK register", True),
     ("[ab]x", "bx", True), ("?", "é", True)],
)  # fmt: skip
def test_headings_fit_in_any_case(pattern: str, title: str, expected: bool) -> None:
    assert fits(pattern, title) is expected


def test_what_is_written_down_can_be_written_down_again() -> None:
    policy = of(TEAM, COMPANY)
    place = Place("Cost", is_root=False, own=Constraints(min_words=5))
    once = ruled(policy, place)
    assert ruled(policy, Place("Cost", is_root=False, own=once)) == once
    assert (once.min_words, once.max_words) == (5, 100)


def test_what_is_locked_must_be_held_by_the_node_itself() -> None:
    policy = of(TEAM, COMPANY)
    held = ruled(policy, Place("Report", is_root=True))
    assert loosened(policy, Place("Report", is_root=True, own=held)) == ()
    taken_back = msgspec.structs.replace(held, must_cite=None, forbidden_phrases=("cutting edge",), tone="warm")
    assert loosened(policy, Place("Report", True, taken_back)) == ("forbidden_phrases", "must_cite")
    assert loosened(policy, Place("Cost", is_root=False)) == ()


def test_instructions_have_rules_tone_and_terms_and_nothing_without_a_policy() -> None:
    policy = of(COMPANY)
    rules = rules_of(policy, (Place("Report", is_root=True),))
    assert instructions(policy, "write", rules) == (
        "Third person.", "Tone: sober", "Write pump (moves water); avoid mover.",
    )  # fmt: skip
    assert instructions(None, "write", rules) == ()


def test_house_rules_are_asked_under_another_version_of_the_contract() -> None:
    asked = contracts.OutlineInput(
        title="t", instructions="", language="en", sources=(), max_sections=3, target_words=9,
        intent=contracts.Intent(purpose="", audience="", questions=(), key_terms=()),
    )  # fmt: skip
    assert under_rules(contracts.OUTLINE, asked, ()) == (contracts.OUTLINE, asked)
    contract, ruled_input = under_rules(contracts.OUTLINE, asked, ("Be brief.",))
    assert contract.name == "lace.outline.v2"
    assert msgspec.structs.asdict(ruled_input) == {**msgspec.structs.asdict(asked), "house_rules": ("Be brief.",)}


# -- what is kept out ---------------------------------------------------------------------------------------------

_RULES = Constraints(forbidden_phrases=("World-class",), min_citations_per_block=2)


def _verdict(text: str, verdict: str = "supported") -> SentenceVerdict:
    return SentenceVerdict(sentence_id="s", text=text, fact_ids=("F1",), verdict=verdict, reasons=())


def test_a_sentence_with_a_forbidden_phrase_does_not_stand() -> None:
    told = ruled_out([_verdict("A world-class pump."), _verdict("A pump."), _verdict("x", "partially")], _RULES)
    assert [verdict.stands for verdict in told] == [False, True, False]
    assert [was_ruled_out(verdict) for verdict in told] == [True, False, False]
    assert told[0].reasons == ("policy: 'World-class' may not occur",)
    assert told[0].layers[-1].layer == "policy"


def test_a_table_with_a_forbidden_phrase_is_not_carried() -> None:
    table = contracts.TableFact(caption="", header=("What",), rows=(("a world-class pump",),))
    fact = contracts.Fact(
        fact_id="T1", kind="table", text="a world-class pump", source="a.md", heading_path=(), page=0, unit="u",
        position=0, score=1, table=table,
    )  # fmt: skip
    grounds = {"T1": Grounds(fact=fact, pieces=())}
    prose = WrittenParagraph(sentences=(WrittenSentence(text="A pump.", fact_ids=("T1",)),))
    blocks = Written(blocks=(Carried(fact_id="T1", caption=""), prose), summary="").blocks
    assert allowed_blocks(blocks, grounds, _RULES) == ((prose,), ("World-class",))
    assert allowed_blocks(blocks, grounds, Constraints()) == (blocks, ())


def _insert(key: str, *evidence: str) -> InsertBlock:
    sentence = Sentence(sentence_id="", text="A pump.", evidence_ids=evidence)
    return InsertBlock(key=key, node_id="nod_r", block=Paragraph(block_id="", sentences=(sentence,)))


def test_blocks_with_too_little_evidence_are_left_out() -> None:
    rest: list[Action] = [
        SetSummary(key="s", node_id="nod_r", summary="World-class."),
        SetNodeState(key="d", node_id="nod_r", state=NodeState.DRAFT),
    ]
    kept, lost = allowed_actions([_insert("a", "e1"), _insert("b", "e1", "e2"), *rest], _RULES)
    assert ([action.key for action in kept], lost) == (["b", "d"], 1)
    assert allowed_actions([_insert("a", "e1"), *rest], _RULES) == ([], 1)
    assert allowed_actions(rest, Constraints()) == (rest, 0)
