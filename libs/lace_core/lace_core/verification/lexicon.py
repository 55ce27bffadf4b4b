"""The closed word lists of the grounding checks: what negates, hedges, compares, and which wordings mean the same."""

from __future__ import annotations

import re
from collections.abc import Callable

from lace_core.verification.equivalents import DEED, MONTHS_CUT, ORDINALS


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
MAY_BE = _words("can could will would shall should may might must if unless only not never no")
"""Words with which an addition may be what the rest depends on."""
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
    reported announced believed thought argued suggested supposed supposedly so-called optional optionally
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
ml millilitre millilitres milliliter milliliters|each every|nearly almost|on upon|repaired mended|inhabitants residents
largest biggest|larger bigger|large big|rapidly quickly swiftly
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


MONTHS = {
    month: number
    for number, month in enumerate(
        "january february march april may june july august september october november december".split(), 1
    )
}
_MONTH = "|".join((*(month for month in MONTHS if month != "may"), "month-5"))
_PLACED = "in|on|at|by|from|for|during|with|near"
_DEEDS = "|".join(sorted(DEED, key=len, reverse=True))


def _light_verb(match: re.Match[str]) -> str:
    """ "carried out a survey of" as "surveyed"."""
    return DEED[match["deed"]]


def _ordinal(match: re.Match[str]) -> str:
    """ "3rd" as "third"."""
    return ORDINALS[int(match[1])] if 0 < int(match[1]) <= 20 else match[0]


def _month_of_year(match: re.Match[str]) -> str:
    """ "2024-06" as "june 2024", where it can be no range of years."""
    year, month = int(match[1]), int(match[2])
    names = tuple(MONTHS)
    return f"{names[month - 1]} {year}" if 1 <= month <= 12 and month <= year % 100 else match[0]


LONG = {"length": "long", "width": "wide", "depth": "deep", "height": "high"}
_COUNTED = "|".join((*_NUMERALS[2:], *_TENS))
_QUANTITY = rf"(?= ?[£$€¥]? ?\d| (?:{_COUNTED})\b)"
_Reworder = str | Callable[[re.Match[str]], str]
_REWORDINGS: tuple[tuple[str, str, _Reworder], ...] = (
    ("-", r"(?<![\d-])(\d{4})-(\d\d)(?![\d-])", _month_of_year),
    ("0", rf"\b({'|'.join(MONTHS_CUT)})\.? (?=\d)", lambda m: f"{MONTHS_CUT[m[1]]} "),
    ("0", rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\b", r"\1 \2"),
    ("0", rf"\b(on|dated) ({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?!,? \d)", r"\1 \3 \2"),
    ("0", r"\b(\d{1,2})(?:st|nd|rd|th)\b", _ordinal),
    ("0", rf"\b(?:the month of )?({_MONTH}) of (?=\d{{4}}\b)", r"\1 "),
    ("the year ", r"\bthe year (?=\d{4}\b)", ""),
    ("£|$|€|¥", r"([£$€¥] ?\d[\d.,]*) ?(m|bn)\b", lambda m: f"{m[1]} {'million' if m[2] == 'm' else 'billion'}"),
    ("point", r"\bpercentage[ -]points?\b", "pp"),
    (
        "pound",
        r"(?<![\d.,])(\d[\d.,]{0,20}(?: (?:million|billion|thousand))?) pounds?(?: sterling)?\b(?! of)",
        r"£\1",
    ),
    ("between ", r"\bbetween (\S{1,30}) and (?=\S)", r"between \1 thru "),
    ("m2|m3|m^|m ^", r"(?<=\d) ?m ?\^? ?([23])\b|(?<=\()m ?\^?([23])\b", _area_or_volume),
    (".0", rf"(\d)\.0{{1,6}}(?= ?(?:%|per cent|million|billion|{_UNITS})\b)", r"\1"),
    (".0", r"([£$€¥] ?\d[\d,]*)\.0+(?![\d.])", r"\1"),
    ("/", rf"(?<![a-z])({_UNITS}) ?/ ?(s|h|d|day|kg)\b", _per),
    (" a | an | per ", rf"(?<![a-z])({_UNITS}) (?:an?|per) (second|hour|day|year)\b", _per),
    (" of ", r"\bhad an? (length|width|depth|height) of (\d[\d.,]* ?\w+)", lambda m: f"was {m[2]} {LONG[m[1]]}"),
    (" of ", r"\bhas an? (length|width|depth|height) of (\d[\d.,]* ?\w+)", lambda m: f"is {m[2]} {LONG[m[1]]}"),
    ("cent", r"\bper ?cent\b", "%"),
    ("can't|cannot", r"\bcan't\b|\bcannot\b", "can not"),
    ("won't", r"\bwon't\b", "will not"),
    ("n't", r"n't\b", " not"),
    ("due to|owing to", r"\b(?:due to|owing to)\b", "because of"),
    ("result of|account of", r"\bas a (?:direct )?result of\b|\bon account of\b", "because of"),
    ("prior to", r"\bprior to\b", "before"),
    ("course of", r"\bin the course of\b", "during"),
    ("spite of|notwith", r"\bin spite of\b|\bnotwithstanding\b", "despite"),
    ("fact that", r"\bbecause of the fact that\b", "because"),
    ("fact that", r"\bdespite the fact that\b", "although"),
    ("carried out", r"\bcarried out\b", "performed"),
    (
        "made |took |performed |conducted |undertook ",
        rf"\b(?:made|took|performed|conducted|undertook) (?:an? |the )?(?P<deed>{_DEEDS})\b",
        _light_verb,
    ),
    ("in order to", r"\bin order to\b", "to"),
    ("failed to", r"\bfailed to\b", "did not"),
    ("fails to", r"\bfails to\b", "does not"),
    ("as well as", r"\bas well as\b", "and"),
    (" year| annum", r"\bper (?:year|annum)\b|\b(?:each|every) year\b", "yearly"),
    ("united", r"\bunited kingdom\b", "uk"),
    ("european", r"\beuropean union\b", "eu"),
    ("degree", r"\bdegrees? (?:c|celsius)\b", "° c"),
    ("0", rf"\b(?:fell|declined|decreased|dropped)(?= (?:by|from|to){_QUANTITY})", "fell"),
    ("0", rf"\b(?:rose|increased|grew|climbed)(?= (?:by|from|to){_QUANTITY})", "rose"),
    ("0", rf"\b(?:approximately|about|around|roughly|circa){_QUANTITY}", "about"),
    ("than", rf"\b(?:not|no) (?:less|fewer) than{_QUANTITY}", "at least"),
    ("than", rf"\b(?:not|no) more than{_QUANTITY}", "at most"),
    ("the |a ", r"\b(the|a) (most|more|less|least|fewer|few|little|other|half|third|quarter)\b", r"\1\2"),
    ("minimum|under", rf"\b(?:a minimum of|not under){_QUANTITY}", "at least"),
    ("up to", rf"(?<!added )(?<!adds )(?<!went )(?<!moved )(?<!came )\bup to{_QUANTITY}", "at most"),
    ("maximum|over", rf"\b(?:a maximum of|not over){_QUANTITY}", "at most"),
    ("excess|greater", rf"\b(?:in excess of|greater than){_QUANTITY}", "more than"),
    (
        "over ",  # a number of things: "over 5 years" and "over 5 km" say how long
        r"^over (?=\d[\d,]* [a-z])(?!\d[\d,]* (?:years|months|weeks|days|hours|minutes|decades|[ckm]?m|.{0,5}met))",
        "more than ",
    ),
    ("exceed", rf"\bexceed(ed|s){_QUANTITY}", lambda m: f"{'was' if m[1] == 'ed' else 'is'} above"),
    ("more than|over", rf"\b(is|was|are|were) (?:more than|over){_QUANTITY}", r"\1 above"),
    ("total", rf"\ba total of{_QUANTITY}", ""),
    ("has to|have to", r"\b(?:has|have) to\b(?! (?:offer|say|show|give|do|lose|gain)\b)", "must"),
    ("required|obliged", r"\b(?:is|are) (?:required|obliged) to\b", "must"),
    ("able to", r"\b(?:is|are) able to\b", "can"),
    ("able to", r"\b(?:is|are) (?:not able|unable) to\b", "can not"),
    ("able to", r"\b(?:was|were) (?:not able|unable) to\b", "could not"),
    ("going to", r"\b(?:is|are) going to\b", "will"),
    ("not have", r"\b(?:do|does) not have (?:an?|any)\b", "has no"),
    ("not have", r"\bdid not have (?:an?|any)\b", "had no"),
    ("all of|both of", r"\b(all|both) of\b", r"\1"),
    ("located|situated", rf"\b(is|are|was|were) (?:located|situated) (?=(?:{_PLACED}|between|within)\b)", r"\1 "),
    ("took place|happened", r"\b(?:took place|happened)\b", "occurred"),
    ("takes place|happens", r"\b(?:takes place|happens)\b", "occurs"),
    ("made up|composed|compris", r"\b(?:is|are) (?:made up|composed) of\b|\bcomprises?\b", "consists of"),
    ("expensive", r"\bmore expensive than\b", "dearer than"),
    (" that", r"\b(said|says|stated|states|reported|announced|claimed|claims|argued|argues) that\b", r"\1"),
    ("amounts|equal", r"\bamounts to\b|\bis equal to\b", "is"),
    ("amounted|equal", r"\bamounted to\b|\bwas equal to\b", "was"),
    ("decline|decrease|drop|reduction", rf"\b(?:decline|decrease|drop|reduction)(?= in\b| of{_QUANTITY})", "fall"),
    ("increase|growth", rf"\b(?:increase|growth)(?= in\b| of{_QUANTITY})", "rise"),
    (
        "that |which ",
        rf"(?<![,:] )(?<!of )\b(?:that|which) (?:is|are|was|were) (?=\w{{3,20}}ed (?:{_PLACED})\b)",
        "",
    ),
    ("it was", r"^it was ((?:the|an?|in|on|at|by) [^,.;:?]{2,60}?) (?:that|who) (?=\w)", r"\1 "),
    ("no one", r"\bno one\b", "nobody"),
    ("no.", r"\bno\. ?(?=\d)", "number "),
    ("-|–", r"(?<=\d) ?[-–] ?(?=\d)", " thru "),
    (" to ", r"(?<=\d) to (?=@?\d)", " thru "),
    ("ly|er|in ", r"^(?:however|moreover|furthermore|in addition|additionally|in fact|overall),? ", ""),
)
"""What a text must hold for a pattern to be looked for ("0": a digit), the pattern, and what says the same."""
_DIGIT = re.compile(r"\d")
_PHRASES = tuple((signs.split("|"), signs == "0", re.compile(pattern), to) for signs, pattern, to in _REWORDINGS)


def reworded(text: str) -> str:
    """A text in lower case with wordings of more than one word, or bound to what follows, in one form."""
    has_digit = _DIGIT.search(text) is not None
    for signs, is_of_digits, pattern, to in _PHRASES:
        if has_digit if is_of_digits else any(sign in text for sign in signs):
            text = pattern.sub(to, text)
    return text


DIMENSIONS = _words("year years date month quarter period season scenario case option phase status basis assumption")
"""Heads of columns that say for when or under what terms the rest of a row holds."""

DESIGNATING = _words(
    """
    section sections pump plot annex appendix table figure class grade type phase unit block zone area part option
    category group level line stage route lot
    """
)
"""Words after which a letter by itself is a name, and no initial: a point behind it may end a sentence."""
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
    z.b bzw bzgl usw evtl ggf inkl exkl vgl bspw d.h u.a i.d.r nr p.ex env mme mlle
    """
)
