"""The closed word lists of the grounding checks: what negates, hedges, compares, and which wordings mean the same."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEGATIONS = _words(
    """
    not no never none nor neither without nobody nothing nowhere lacks lacked lack hardly scarcely barely few
    little
    """
)
UP = _words(
    """
    more above over exceed exceeds exceeded increase increased increases rise rises rose risen higher greater grow grew
    grown gain gained gains after later up maximum most faster longer larger best highest largest
    """
)
DOWN = _words(
    """
    less fewer below under decrease decreased decreases fall falls fell fallen lower smaller decline declined drop
    dropped reduce reduced reduces before earlier down minimum least slower shorter loss lost worst lowest smallest
    """
)
HEDGES = _words(
    """
    may might could possibly perhaps probably likely unlikely suggests suggest suggested appear appears appeared seem
    seems seemed expected planned estimated proposed should would will shall reportedly allegedly approximately about
    around roughly nearly almost expects plans intends intended aims provisional provisionally draft forecast
    """
)
CAUSES = _words("because therefore thus hence causes caused cause due consequently leads led owing")
QUALIFIERS = _words(
    """
    if unless except only until provided otherwise but however although though subject some most many several part
    partly mostly mainly usually often sometimes rarely assuming assumed model modelled simulation simulated scenario
    theory hypothetical proposal forecasts estimate estimates wrong wrongly false falsely incorrect incorrectly error
    mistaken mistakenly withdrawn retracted disputed denied corrected revised void invalid invalidated cancelled
    rejected reversed overturned refuted untrue doubt doubts doubted doubtful myth rumour rumor unproven unconfirmed
    exceptions exception excluding excludes excluded when whether claim claims claimed alleged according said says say
    reported announced believed thought argued suggested supposed supposedly so-called
    """
)
"""Words whose loss with the clause around them would change what a sentence claims (with negations and hedges)."""

BOUND_TO_CLAUSE = QUALIFIERS | _words(
    """
    and or nor while whereas that which who whose to said says say stated reported announced claimed believed thought
    found noted argued confirmed showed shows estimated expected knew learned hoped agreed decided wanted denied
    suggested promised recommended proposed planned warned told asked considered because so
    """
)
"""Words after which it is not plain what a time or place at the sentence's other end belongs to."""

STOP = _words(
    """
    a an the of to in on at by for with from as is are was were be been being has have had do does did and or but if
    then than that this these those it its they their there which who whom whose what when where while will would
    can into out about per each all any some such also only both between during through over under more most other
    so up no not we our you your he she his her
    """
)
PRONOUNS = _words("it its they them their he she his her this that these those such both")
LIGHT = _words("a an the also")
"""Words that may be there or not without a difference (a capital A inside a sentence is a name)."""

PLACING = _words("in on at during since")
ACTS = _words("led built made held bought sold paid won")
"""Past forms without -ed that are participles too (with -ed they all are)."""
RELATIVE = _words("which who whose")
TRAILING = RELATIVE | _words("and whereas because so")
"""With a comma before them, these begin a clause without which the sentence before it still holds."""

MEASURES = _words(
    """
    % pp ° m km cm mm kg g mg t l ml s ms min h kw kwh bar pa kpa v a hz khz ghz kb mb gb tb kbit mbit gbit milliw megaw
    millipa megapa million billion thousand days weeks months years £ $ € ¥ ha
    """
)

_NUMERALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
NUMERALS = (
    {word: n for n, word in enumerate(_NUMERALS)}
    | {word: (n + 2) * 10 for n, word in enumerate(_TENS)}
    | {f"{ten}-{_NUMERALS[one]}": (n + 2) * 10 + one for n, ten in enumerate(_TENS) for one in range(1, 10)}
)

_SAME = """
is are|was were|started began commenced|finished completed|bought purchased|built constructed|located situated
used utilised utilized|entire whole|said stated|though although|while whilst|among amongst|toward towards|until till
and &|versus vs|maximum max|yearly annually|programme program|centre center|colour color|organisation organization
performed conducted|enough sufficient|m metre metres meter meters|km kilometre kilometres kilometer kilometers
cm centimetre centimetres centimeter centimeters|mm millimetre millimetres millimeter millimeters|kg kilogram kilograms
g gram grams|t tonne tonnes|l litre litres liter liters|h hour hours hr hrs|min minute minutes|s seconds
kw kilowatt kilowatts|megaw megawatt megawatts|milliw milliwatt milliwatts|megapa megapascal megapascals
ha hectare hectares
"""
SAME = {
    word: group.split()[0] for line in _SAME.strip().splitlines() for group in line.split("|") for word in group.split()
}
"""Words that mean the same wherever they stand, to one of them."""

_QUANTITY = r"(?= ?[£$€¥]? ?\d)"
PHRASES = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"\bpercentage[ -]points?\b", "pp"),
        (r"\bper ?cent\b", "%"),
        (r"\bcan't\b|\bcannot\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"n't\b", " not"),
        (r"\b(?:due to|owing to)\b", "because of"),
        (r"\bprior to\b", "before"),
        (r"\bcarried out\b", "performed"),
        (r"\bin order to\b", "to"),
        (r"\bfailed to\b", "did not"),
        (r"\bfails to\b", "does not"),
        (r"\bas well as\b", "and"),
        (r"\bper (?:year|annum)\b|\b(?:each|every) year\b", "yearly"),
        (r"\bunited kingdom\b", "uk"),
        (r"\beuropean union\b", "eu"),
        (r"\bdegrees? (?:c|celsius)\b", "° c"),
        (rf"\b(?:fell|declined|decreased|dropped)(?= (?:by|from|to){_QUANTITY})", "fell"),
        (rf"\b(?:rose|increased|grew|climbed)(?= (?:by|from|to){_QUANTITY})", "rose"),
        (rf"\b(?:approximately|about|around|roughly|circa){_QUANTITY}", "about"),
        (rf"\b(?:not|no) (?:less|fewer) than{_QUANTITY}", "at least"),
        (rf"\b(?:not|no) more than{_QUANTITY}", "at most"),
        (r"\b(the|a) (most|more|less|least|fewer|few|little|other|half|third|quarter)\b", r"\1\2"),
        (r"\bno one\b", "nobody"),
        (r"\bno\. ?(?=\d)", "number "),
        (r"(?<=\d) ?[-–] ?(?=\d)", " to "),
        (r"^(?:however|moreover|furthermore|in addition|additionally|in fact|overall),? ", ""),
    )
)
"""Wordings of more than one word, or bound to what follows, in lower case, to one that means the same."""

DIMENSIONS = _words("year years date month quarter period season scenario case option phase status")
"""Heads of columns that say for when or under what terms the rest of a row holds."""

MONTHS = {
    month: number
    for number, month in enumerate(
        "january february march april may june july august september october november december".split(), 1
    )
}
ABBREVIATIONS = _words(
    """
    dr mr mrs ms prof st no nos fig figs eq sec approx ca cf vs etc e.g i.e inc ltd co corp al vol pp p ref dept est
    jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k
    """
)
