"""What English says in two ways: tables by which a rule finds the other wording; no rule has words of its own."""

from __future__ import annotations

from decimal import Decimal
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_IRREGULAR = """
begin began begun|bind bound bound|bite bit bitten|break broke broken|bring brought brought|build built built
buy bought bought|carry carried carried|catch caught caught|choose chose chosen|cut cut cut|draw drew drawn
drive drove driven|eat ate eaten|feed fed fed|fight fought fought|find found found|forbid forbade forbidden
forget forgot forgotten|freeze froze frozen|give gave given|grow grew grown|hide hid hidden|hit hit hit
hold held held|keep kept kept|know knew known|lay laid laid|lead led led|lend lent lent|lose lost lost
make made made|meet met met|overcome overcame overcome|oversee oversaw overseen|overtake overtook overtaken
pay paid paid|rebuild rebuilt rebuilt|ride rode ridden|run ran run|see saw seen|seek sought sought|sell sold sold
send sent sent|set set set|shake shook shaken|show showed shown|shut shut shut|sing sang sung|sink sank sunk
spend spent spent|split split split|steal stole stolen|strike struck struck|sweep swept swept|swim swam swum
take took taken|teach taught taught|tear tore torn|throw threw thrown|undertake undertook undertaken
wear wore worn|weave wove woven|win won won|withdraw withdrew withdrawn|write wrote written|wind wound wound
"""
_FORMS = [tuple(forms.split()) for line in _IRREGULAR.strip().splitlines() for forms in line.split("|")]
PAST_OF: Final = {participle: past for _, past, participle in _FORMS}
"""The past of a verb by its participle, where they are not both in -ed."""
PARTICIPLE_OF: Final = {past: participle for _, past, participle in _FORMS}
BASE_OF: Final = {participle: base for base, _, participle in _FORMS}

AUTHORITY: Final = _words(
    """
    approved rejected accepted adopted refused declined endorsed passed ratified vetoed confirmed denied allowed
    permitted authorised authorized forbade forbidden banned chose chosen elected appointed selected awarded praised
    criticised criticized condemned opposed supported backed questioned challenged defended blamed cleared certified
    welcomed regarded saw seen viewed described hailed dubbed called named labelled termed deemed rated ranked
    treated perceived portrayed found proved proven dismissed contested valued appraised celebrated admired
    """
)
"""What is done counts by who did it: without them it would say more."""

DROPPABLE: Final = _words(
    """
    carefully quickly swiftly promptly slowly thoroughly quietly steadily sharply significantly considerably
    markedly rapidly successfully duly safely deliberately unanimously strongly warmly finally eventually therefore
    consequently accordingly
    """
)
"""Adverbs that tell how, or how much, or link to what went before: what is affirmed with them holds without."""

GIVING: Final = _words("awarded given granted offered sent lent sold paid shown handed")
"""Participles whose subject may be who receives, or what is received."""

HAVING: Final = _words(
    """
    has had bought sold built rebuilt owns owned contains contained includes included opened closed signed replaced
    repaired installed visited planted painted designed restored approved adopted received awarded ordered funded
    supplied published issued presented reviewed inspected surveyed
    """
)
"""Verbs of which each object of a row of objects is an object by itself."""
MUTUAL: Final = _words(
    """
    compared joined merged linked mixed combined separated divided exchanged swapped matched met married connected
    """
)
"""Verbs whose objects are objects only together."""
LISTING: Final = _words("contains contain contained includes include included")
"""Verbs that may head a list: each of its items is one of their objects."""

_COMPARED = """
taller shorter|longer shorter|higher lower|larger smaller|greater smaller|older younger|older newer|heavier lighter
faster slower|cheaper dearer|wider narrower|deeper shallower|hotter colder|warmer colder|stronger weaker|richer poorer
thicker thinner|earlier later
"""
COMPARED: Final[dict[str, tuple[str, ...]]] = {}
"""What is said of the other side of a comparison."""
for _line in _COMPARED.strip().splitlines():
    for _pair in _line.split("|"):
        _one, _other = _pair.split()
        COMPARED[_one] = (*COMPARED.get(_one, ()), _other)
        COMPARED[_other] = (*COMPARED.get(_other, ()), _one)

EXTENT: Final = {"length": "long", "width": "wide", "depth": "deep", "height": "high"}
VERB_OF_MEASURE: Final = {"weight": ("weighs", "weighed"), "cost": ("costs", "cost")}
"""What measures a thing, with its verb in the present and in the past."""

CHANGE: Final = {"rose": "rise", "fell": "fall"}
"""A verb of change by a quantity, and its noun (lexicon brings their synonyms to these)."""
OCCASION: Final = {
    "finished": "completion", "built": "construction", "opened": "opening", "closed": "closure", "signed": "signing",
    "founded": "foundation", "demolished": "demolition", "destroyed": "destruction", "installed": "installation",
    "repaired": "repair", "replaced": "replacement", "inspected": "inspection", "restored": "restoration",
}  # fmt: skip
"""What was done, by a noun that names the occasion."""
DEED: Final = {
    "inspection of": "inspected", "survey of": "surveyed", "review of": "reviewed", "analysis of": "analysed",
    "study of": "studied", "assessment of": "assessed", "evaluation of": "evaluated", "examination of": "examined",
    "investigation of": "investigated", "investigation into": "investigated", "visit to": "visited",
    "measurement of": "measured", "decision to": "decided to", "attempt to": "attempted to", "use of": "used",
    "repair of": "repaired", "repairs to": "repaired", "restoration of": "restored", "replacement of": "replaced",
    "test of": "tested", "comparison of": "compared", "payment of": "paid", "purchase of": "bought",
    "changes to": "changed", "improvements to": "improved",
}  # fmt: skip
"""What a light verb (made, took, performed) and a noun say together."""

NO_THING: Final = _words(
    """
    rained snowed hailed thundered froze thawed is was remained remains stayed grew got turned felt became becomes
    looked looks seemed seems appeared appears needed needs required requires takes took made makes pays paid helps
    helped matters mattered followed follows happened happens happen occurred occurs emerged transpired
    """
)
"""Verbs before which "it" may stand for nothing that was named."""

METRIC: Final[dict[str, tuple[str, Decimal]]] = {
    "km": ("m", Decimal(1000)),
    "cm": ("m", Decimal("0.01")),
    "mm": ("m", Decimal("0.001")),
    "kg": ("g", Decimal(1000)),
    "mg": ("g", Decimal("0.001")),
    "t": ("g", Decimal(1_000_000)),
    "ml": ("l", Decimal("0.001")),
}
"""A unit in another one that measures the same, and how many of those it is: always exactly."""
SCALES: Final = {
    "thousand": Decimal(1_000),
    "million": Decimal(1_000_000),
    "billion": Decimal(1_000_000_000),
    "trillion": Decimal(1_000_000_000_000),
}
ORDINALS: Final = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
MONTHS_CUT: Final = {
    "jan": "january", "feb": "february", "mar": "march", "apr": "april", "jun": "june", "jul": "july",
    "aug": "august", "sep": "september", "sept": "september", "oct": "october", "nov": "november", "dec": "december",
}  # fmt: skip
