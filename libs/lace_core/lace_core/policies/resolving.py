"""From a policy and what it extends to what is in force, with who set each value and what had no effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import UNSET

from lace_core.ir import Constraints
from lace_core.policies.findings import PolicyFinding, ordered
from lace_core.policies.in_force import Link, Origin, PolicyInForce, Publishers, PublishRule, SectionInForce
from lace_core.policies.inheritance import lay
from lace_core.policies.model import REDACTED_BEFORE, Models, Policy, Publishing
from lace_core.policies.parsing import Parsed

_KINDS_OF_RULES = ("outline", "write", "enrich", "patch")


@dataclass(frozen=True)
class Resolution:
    """What is in force, and findings about the policy itself: what of it has no effect, and why."""

    policy: PolicyInForce
    findings: Sequence[PolicyFinding]


def resolve(chain: Sequence[Parsed]) -> Resolution:
    """What a policy comes to: `chain` begins with it, then comes what it extends, up to one that stands by itself."""
    building = _Building()
    for parsed in reversed(chain):
        building.lay_over(parsed)
    links = tuple(Link(p.policy.policy, p.policy.version, p.sha256) for p in chain)
    own = building.loosened.get(chain[0].name, [])
    return Resolution(building.made(links), ordered(own))


@dataclass
class _Building:
    """What holds so far, from the outermost parent on."""

    constraints: Constraints = field(default_factory=Constraints)
    sections: dict[str, SectionInForce] = field(default_factory=dict)
    rules: dict[str, tuple[str, ...]] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    before: str = "off"
    kinds: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    publish: PublishRule = field(default_factory=PublishRule)
    trace: dict[str, Origin] = field(default_factory=dict)
    loosened: dict[str, list[PolicyFinding]] = field(default_factory=dict)

    def made(self, links: tuple[Link, ...]) -> PolicyInForce:
        return PolicyInForce(
            chain=links,
            constraints=self.constraints,
            sections=tuple(self.sections.values()),
            house_rules=self.rules,
            prompts=dict(sorted(self.prompts.items())),
            redact_before=self.before,
            redaction_kinds=self.kinds,
            redaction_patterns=self.patterns,
            models=self.models,
            publish=self.publish,
            trace=dict(sorted(self.trace.items())),
        )

    def lay_over(self, parsed: Parsed) -> None:
        """Lay a policy over what it extends."""
        policy = parsed.policy
        self.constraints = self._lay(parsed, "/constraints", self.constraints, policy.constraints.constraints())
        for index, section in enumerate(policy.sections):
            self._section(parsed, index, section.title, section.constraints.constraints())
        self._house_rules(parsed, policy)
        for contract, template in policy.prompts.items():
            self.prompts[contract] = template
            self._set(parsed, f"/prompts/{contract}", f"/prompts/{contract}")
        self._redaction(parsed, policy)
        if isinstance(policy.models, Models):
            self._models(parsed, policy.models)
        self._publishing(parsed, policy.publish)

    def _lay(self, parsed: Parsed, at: str, below: Constraints, above: Constraints, own: str = "") -> Constraints:
        """`at` is where the value stands in what is in force, `own` where it stands in the policy's text."""
        laid = lay(below, above)
        for name in laid.taken:
            self._set(parsed, f"{at}/{name}", f"{own or at}/{name}")
        for name in set(above.locked) - set(below.locked):
            self._set(parsed, f"{at}/locked/{name}", f"{own or at}/locked")
        for name in laid.refused:
            by = self.trace.get(f"{at}/locked/{name}")
            self._loosens(parsed, f"{own or at}/{name}", f"{name} is held fast by {_told(by)}; this has no effect.")
        return laid.constraints

    def _section(self, parsed: Parsed, index: int, title: str, constraints: Constraints) -> None:
        key = title.casefold()
        before = self.sections.get(key)
        place = list(self.sections).index(key) if before else len(self.sections)
        below = before.constraints if before else Constraints()
        own = f"/sections/{index}"
        laid = self._lay(parsed, f"/sections/{place}/constraints", below, constraints, f"{own}/constraints")
        self.sections[key] = SectionInForce(before.title if before else title, laid)
        if before is None:
            self._set(parsed, f"/sections/{place}/title", f"{own}/title")

    def _house_rules(self, parsed: Parsed, policy: Policy) -> None:
        for kind in _KINDS_OF_RULES:
            for source in ("all", kind):
                for index, rule in enumerate(getattr(policy.house_rules, source)):
                    known = self.rules.get(kind, ())
                    if rule not in known:
                        self._set(parsed, f"/house_rules/{kind}/{len(known)}", f"/house_rules/{source}/{index}")
                        self.rules[kind] = (*known, rule)

    def _redaction(self, parsed: Parsed, policy: Policy) -> None:
        own = policy.redaction
        if own.before is not UNSET:
            if REDACTED_BEFORE.index(own.before) >= REDACTED_BEFORE.index(self.before):
                self.before = own.before
                self._set(parsed, "/redaction/before", "/redaction/before")
            else:
                message = f"Redaction is never less than in what is extended ({self.before}); this has no effect."
                self._loosens(parsed, "/redaction/before", message)
        for name, values in (("kinds", own.kinds), ("patterns", own.patterns)):
            known: tuple[str, ...] = getattr(self, name)
            for index, value in enumerate(values):
                if value not in known:
                    self._set(parsed, f"/redaction/{name}/{len(known)}", f"/redaction/{name}/{index}")
                    known = (*known, value)
            setattr(self, name, known)

    def _models(self, parsed: Parsed, models: Models) -> None:
        allowed = models.allow if self.models is None else tuple(m for m in models.allow if allows(self.models, m))
        if not allowed:
            message = f"None of these is allowed by what is extended ({', '.join(self.models or ())}); no effect."
            self._loosens(parsed, "/models/allow", message)
            return
        for index, name in enumerate(models.allow):
            if name not in allowed:
                message = f"{name} is not allowed by what is extended; this has no effect."
                self._loosens(parsed, f"/models/allow/{index}", message)
        self.models = allowed
        self._set(parsed, "/models/allow", "/models/allow")

    def _publishing(self, parsed: Parsed, own: Publishing) -> None:
        before = self.publish
        who, suites, least = before.who, before.suites, before.min_supported_percent
        if own.roles is not UNSET or own.principals is not UNSET:
            roles = () if own.roles is UNSET else own.roles
            principals = () if own.principals is UNSET else own.principals
            who = (*who, Publishers(parsed.name, roles, principals))
            named = "/publish/principals" if own.roles is UNSET else "/publish/roles"
            self._set(parsed, f"/publish/who/{len(who) - 1}", named)
        for index, suite in enumerate(own.suites):
            if suite not in suites:
                self._set(parsed, f"/publish/suites/{len(suites)}", f"/publish/suites/{index}")
                suites = (*suites, suite)
        if own.min_supported_percent is not UNSET:
            if least is None or own.min_supported_percent >= least:
                least = own.min_supported_percent
                self._set(parsed, "/publish/min_supported_percent", "/publish/min_supported_percent")
            else:
                message = f"What is extended asks for {least} percent; this has no effect."
                self._loosens(parsed, "/publish/min_supported_percent", message)
        empty = before.empty_review_queue or own.empty_review_queue
        if empty and not before.empty_review_queue:
            self._set(parsed, "/publish/empty_review_queue", "/publish/empty_review_queue")
        self.publish = PublishRule(who=who, suites=suites, min_supported_percent=least, empty_review_queue=empty)

    def _set(self, parsed: Parsed, at: str, own: str) -> None:
        self.trace[at] = Origin(parsed.name, parsed.line(own))

    def _loosens(self, parsed: Parsed, at: str, message: str) -> None:
        found = PolicyFinding.of(parsed.marked.problem(at, message, "LOOSENS"), "warning")
        self.loosened.setdefault(parsed.name, []).append(found)


def allows(allowed: Sequence[str], name: str) -> bool:
    """Whether a list of providers and models lets through a provider, a model, or all models that begin so (*)."""
    provider, slash, model = name.partition("/")
    for each in allowed:
        own_provider, own_slash, own_model = each.partition("/")
        if own_provider == provider and (not own_slash or (slash and _covers(own_model, model))):
            return True
    return False


def _covers(pattern: str, model: str) -> bool:
    return model.startswith(pattern[:-1]) if pattern.endswith("*") else model == pattern


def _told(origin: Origin | None) -> str:
    return f"{origin.policy} (line {origin.line})" if origin else "what it extends"
