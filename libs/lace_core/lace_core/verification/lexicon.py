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
SAYING = _words(
    """
    said says say stated states reported reports announced claimed claims claim according alleged allegedly argued
    argues believed believes thought told tells called denied denies quoted cited reportedly
    """
)
"""Words by which somebody's words are given as somebody's."""
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

RETRACTING = _words(
    """
    wrong wrongly false falsely incorrect incorrectly error mistaken mistakenly withdrawn retracted disputed denied
    corrected revised void invalid invalidated cancelled rejected reversed overturned refuted untrue doubt doubts
    doubted doubtful myth rumour rumor unproven unconfirmed so otherwise exception exceptions except nor
    supposedly allegedly alleged
    """
)
"""Words by which a further clause may take back, or bind to a condition, what the clause before it says."""
SCOPING = SAYING | _words(
    """
    that if unless whether asked replied judged noted concluded agreed decided wanted hoped expected estimated
    assumed recommended proposed planned suggested promised warned considered thinks thought expects supposed
    """
)
"""Words that put what follows under somebody's saying, or under a condition."""

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
POINTING = PRONOUNS | _words("other others former latter same its remaining respectively then there")
LIGHT = _words("a an the also")
"""Words that may be there or not without a difference (a capital A inside a sentence is a name)."""

PLACING = _words("in on at during since between within near after before")
BEGINNING = PLACING | _words("by from to for with over under along across through because although while until into")
"""Words with which an adjunct may begin."""
SUBORDINATING = _words("because although though while whereas after before until since as when if unless")
FRAMING = (
    PLACING
    | SUBORDINATING
    | _words(
        "from by under with for of only both either neither not according suppose imagine assume had were let once"
    )
)
"""Words with which a sentence begins that may say for when, where or under what terms all of it holds."""
ACTS = _words(
    """
    led built made held bought sold paid won found sent kept laid set cut met read put lost left told rebuilt resold
    withheld outgrown undertaken
    """
)
"""Past forms without -ed that are participles too (with -ed they all are)."""
AUXILIARIES = _words("is was has have had do does did will would may might can could must shall should")
FINITE = (
    AUXILIARIES
    | ACTS
    | _words(
        """
    fell rose grew began ran took came went gave wrote became saw drew drove stood lay rested spread burst
    runs takes comes goes gives shows stands lies holds carries covers includes contains measures uses leads owns
    serves supplies crosses follows remains needs requires limits sets rests forms works leaks reaches delivers costs
    reports recommends concludes employs
    """
    )
)
"""Verbs that are known to head a clause; words in -ed may, too."""
JOINING = _words("and while whereas")
ADDING = _words(
    """
    compared including which laid built made known set recorded offered opened founded installed published measured
    dated named located situated owned signed drawn designed fitted drilled dug cut taken leaving bringing making
    """
)
"""Words behind a last comma that begin what is only told besides."""
ARTICLES = _words("a an the its")
PARTITIVE = _words(
    """
    part half some one most number total out each all kind type majority rest end front third two three four five six
    seven eight nine ten many several few none any share percentage % quarter sum head instead because per favour lack
    """
)
"""Words before "of" that say how much of something, or that make a preposition with it."""
RELATIVE = _words("which who whose")
TRAILING = RELATIVE | _words("whereas because so")
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
extra additional|begin start commence|begins starts commences|mg milligram milligrams|kn kilonewton kilonewtons
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

_UNITS = (
    "metres?|meters?|m|millimetres?|mm|centimetres?|cm|kilometres?|km|litres?|l|megalitres?|bar|kilowatts?|kw|kilowatt "
    "hours?|kwh|megawatt hours?|hours?|h|days|weeks|tonnes?|t|kg|g|mg|milligrams?|grams?|hectares?|ha|kilonewtons?|kn"
)
_TIMES = {"second": "s", "hour": "h", "d": "day"}


def _per(match: re.Match[str]) -> str:
    """A rate with its time in one form: "litres a second" and "l/s" alike."""
    return f" {match[1]} per {_TIMES.get(match[2], match[2])}"


def _area_or_volume(match: re.Match[str]) -> str:
    """ "8 m³" as "8 cubic m"."""
    return " square m" if "2" in match[0] else " cubic m"


LONG = {"length": "long", "width": "wide", "depth": "deep", "height": "high"}
_QUANTITY = r"(?= ?[£$€¥]? ?\d)"
PHRASES = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"\bpercentage[ -]points?\b", "pp"),
        (r"(?<![\d.,])(\d[\d.,]{0,20}(?: (?:million|billion|thousand))?) pounds?(?: sterling)?\b(?! of)", r"£\1"),
        (r"\bbetween (\S{1,30}) and (?=\S)", r"between \1 thru "),
        (r"(?<=\d) ?m ?\^? ?([23])\b|(?<=\()m ?\^?([23])\b", _area_or_volume),
        (rf"(\d)\.0{{1,6}}(?= ?(?:%|per cent|million|billion|{_UNITS})\b)", r"\1"),
        (r"([£$€¥] ?\d[\d,]*)\.0+(?![\d.])", r"\1"),
        (rf"(?<![a-z])({_UNITS}) ?/ ?(s|h|d|day|kg)\b", _per),
        (rf"(?<![a-z])({_UNITS}) (?:an?|per) (second|hour|day|year)\b", _per),
        (r"\bhad an? (length|width|depth|height) of (\d[\d.,]* ?\w+)", lambda m: f"was {m[2]} {LONG[m[1]]}"),
        (r"\bhas an? (length|width|depth|height) of (\d[\d.,]* ?\w+)", lambda m: f"is {m[2]} {LONG[m[1]]}"),
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
        (r"(?<=\d) ?[-–] ?(?=\d)", " thru "),
        (r"(?<=\d) to (?=@?\d)", " thru "),
        (r"^(?:however|moreover|furthermore|in addition|additionally|in fact|overall),? ", ""),
    )
)
"""Wordings of more than one word, or bound to what follows, in lower case, to one that means the same."""

DIMENSIONS = _words("year years date month quarter period season scenario case option phase status basis assumption")
"""Heads of columns that say for when or under what terms the rest of a row holds."""

DESIGNATING = _words(
    """
    section sections pump plot annex appendix table figure class grade type phase unit block zone area part option
    category group level line stage route lot
    """
)
"""Words after which a letter by itself is a name, and no initial: a point behind it may end a sentence."""
MONTHS = {
    month: number
    for number, month in enumerate(
        "january february march april may june july august september october november december".split(), 1
    )
}
TIMES = frozenset(MONTHS) | _words(
    """
    year years month months week weeks day days night nights winter summer spring autumn quarter season morning evening
    today yesterday tomorrow construction operation
    """
)
"""Words that say when."""
ABBREVIATIONS = _words(
    """
    dr mr mrs ms prof st no nos fig figs eq sec approx ca cf vs etc e.g i.e inc ltd co corp al vol pp p ref dept est
    jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k
    """
)
