"""Says plainly what people say in a roundabout way: pairs of a pattern in a normalized text, and what takes its place."""

import re

_SOUND = r"(?:sound|noise|source|event|thing|object|emitter)"
_LISTENER = (
    r"(?:me|us|you|myself|yourself|(?:the |a )?(?:listener|observer|hearer)|"
    r"(?:my|your) (?:head|position|ears|body|location))"
)
_I_SHOULD = r"(?:should|would|do|must|can) (?:i|you|we|one)"
_SEEK = (
    r"(?:look|turn|face|listen|search)(?: my head)?(?: to)?(?: (?:find|see|face|hear|locate|reach))?"
    r"(?: for| at)?"
)
_AHEAD = r"(?:the |my )?(?:straight ahead|directly ahead|dead ahead|ahead|front|nose|in front(?: of (?:me|you))?)"
_IS = r"(?:is|being|as|means|meaning|equals|at)"
_GIVEN = r"(?:(?:if|with|where|assuming|when|taking|given) )*"
_TWELVE = rf"\b{_GIVEN}(?:12 oclock {_IS}(?: directly| straight)? {_AHEAD}|{_AHEAD} {_IS} 12 oclock)(?= |$)"
_MANY = r"(?:more than one|more|two|2|three|3|several|many|multiple|a few)"
_ONE_OR_TWO = (
    rf"\b(?:only |just )?(?:one|1|a single)(?: sound| noise)?(?: {_SOUND}s?)? or "
    rf"(?:(?:are|is) there )?{_MANY}(?: (?:different )?(?:sound |noise )?{_SOUND}s)?(?= |$)"
)
_HALF_TURN = (
    r"(?:an? |one )?(?:full |complete )?(?:about face|about turn|half turn|half rotation|half revolution|"
    r"half (?:of )?an? (?:turn|rotation|circle|revolution))"
)
_DO = r"(?:do|did|doing|done|make|made|making|take|took|taking|perform|performed|performing)"
_VIEW = r"(?:point of view|perspective|viewpoint|standpoint|vantage point|view)"
_NOBODY = (
    r"(?!(?:the )?(?:from|my|your|our|me|you|us|listener|this|that|here|where|what|which|"
    r"above|below|left|right|behind|front|back|"
    r"rear|top|bottom|other)\b)"
)
_ZERO = (
    r"(?:forward direction|forwards?|straight ahead|dead ahead|front|nose|midline|median plane|line of sight|"
    r"viewing direction|looking direction|gaze|center|centre)"
)
_ASKS = r"(?:about |of |as to |on )?(?=(?:at |in |from |on |to |under |by )?(?:where|what|which|how|whether|who|if)\b)"
_OTHERS = rf"(?:others?(?: ones?| {_SOUND}s?)?|rest|else)"
_IT = r"(?:it|them|him|her|itself)"

PLAINER: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (rf"\b(which|what) (direction|way|side) {_I_SHOULD} {_SEEK}\b", r"\1 \2 is"),
        (rf"\bwhere {_I_SHOULD} {_SEEK}\b", "where is"),
        (r"\bwhere in (?:the|this) (?:room|scene|recording|clip|space)\b", "where"),
        # Politeness, and what is not known.
        (r"\b\w+ly speaking\b|\b(?:looking|listening) (?:at|to) (?:this|the) (?:recording|clip|audio|file|scene)\b", ""),
        (r"\b(?:looking|searching|asking) for (?=the\b)", ""),
        (r"\bfrom (?:what|all) (?:you|i|we) (?:can )?hear[ds]?\b", ""),
        (r"^(?:how|what) about (?=the\b)", ""),
        (r"\b(?:write|note|jot|type) (?:me )?down\b", "tell"),
        (
            rf"\b(?:not (?:sure|certain|clear|aware)|no (?:idea|clue)|"
            rf"(?:do|did|can|could) not (?:know|hear|see|remember)) {_ASKS}",
            "tell ",
        ),
        (
            rf"\b(?:learn|understand|remember|recall|forgot|forget|remind me|"
            rf"(?:nice|good|useful|interesting|great) to know) {_ASKS}",
            "tell ",
        ),
        (r"^(?:i|we) bet\b", ""),
        (
            r"\bfind (?:me )?(?=(?:the |an? )?(?:\w+ )?(?:name|list|number|count|kind|type|azimuth|angle|bearing|"
            r"distance|position|direction|location|place|hour|clock|nearest|closest|farthest|furthest|most|least)\b)",
            "tell ",
        ),
        (rf"\bfind (?:me )?(?=(?:the |an? )?{_SOUND}s? (?!of\b)\w)", "name "),
        (r"\b(?:be )?(?:so|very|that) (?:kind|good|nice)(?: as)?(?: to)?(?= |$)", ""),
        (r"\b(?:be )?(?:kind|good|nice) enough to\b", ""),
        (r"\bhow close together\b", "how far apart"),
        # Telegrams.
        (r"^((?!.*\b(?:start|begin|when|end|long|does|until)).*) stop(?: \?)*$", r"\1"),
        # "The dog is on the left, isn't it", dictated without a comma.
        (r"(?<!where)(?<!what)(?<!which)(?<!who) (?:is|are|does|do|did) not (?:it|they|he|she)(?: \?)*$", ""),
        (r"(\bthan (?:the |a )?\w+) right(?: \?)*$", r"\1"),
        # The listener's turns.
        (rf"\b{_DO} a (?:full )?180\b(?! degree)", "turn 180 degrees"),
        (rf"\b(?:{_DO} )?{_HALF_TURN}(?= |$)", "turn 180 degrees"),
        (
            r"\b(?:turn|turned|turning|face|faced|facing)(?: around)?(?: to)?(?: face)? (?:the )?(?:back|rear)"
            r"(?=$| (?:,|where|what|at|how|which))",
            "turn 180 degrees",
        ),
        (r"\b(left|right) turn (?:of|by) (\d+)", r"turn to the \1 by \2"),
        (r"\b(left|right|clockwise|counter ?clockwise) quarter turn\b", r"turn 90 degrees \1"),
        (r"\bturn(ed|ing)? to (?:the |my )?(left|right) of (\d+)", r"turn\1 to the \2 by \3"),
        # The clock and the angle.
        (_TWELVE, "oclock"),
        (r"\b(?:at|on) (?:my|your) (?:six|6)(?: oclock)?(?= |$)", "behind me"),
        # Numbers of sounds.
        (r"\bhow much (?=(?:different )?(?:sounds|sources|noises|sound sources|events|sound events|things)\b)", "how many "),
        # Sounds compared with all others, or as heard from another one.
        (rf"\b(?:out )?of all (?:of )?(?:the |these |those )?(?:sound |noise )?{_SOUND}s\b", ""),
        (rf"\bthan (?:(?:all|any|every|everything|anything|each)(?: of)? )?(?:the |these |those )?{_OTHERS}(?= |$)", ""),
        (r"\b(?:further|farther|more) (?=(?:to (?:the|my) )?(?:left|right)\b.* than\b)", ""),
        (
            r"(\b(?:compared|relative|with respect|in relation|in comparison)\b.*)\b(?:further|farther) "
            r"(?=(?:to the )?(?:left|right)\b)",
            r"\1",
        ),
        (rf"^from {_NOBODY}(the \w+(?: \w+)?) , (?=is |does |do |are )", r"relative to \1 "),
        (r"\bhow (?:spread|widely spaced|wide) apart\b", "how far apart"),
        (r"^((?:please |can you |could you )*)(?:detect|tag|annotate|recognize) (?=(?:the|all|any|every) )", r"\1name "),
        (r"\b(?:further|farther) (?=(?:up|down|above|below)\b.* than\b)", ""),
        (rf"\bfrom the {_VIEW} of {_NOBODY}", "relative to "),
        (rf"\bfrom {_NOBODY}((?:the )?\w+(?: \w+)?) {_VIEW}\b", r"relative to \1"),
        (rf"\b(?:as heard|(?:as )?(?:seen|viewed|observed|judged)) from {_NOBODY}(?=the )", "relative to "),
        (
            r"\b(?:with|using|taking) ((?:the )?\w+(?: \w+)?) as (?:the |a |my )?(?:reference(?: point)?|origin)\b",
            r"relative to \1",
        ),
        (
            r"^(?:does|do) (?:the )?(.+?) have (?:the |an? )?(.+?) (?:on|to|at) (?:its|their|his|her) (left|right)"
            r"(?: hand)?(?: side)?(?: \?)*$",
            r"is the \2 \3 of the \1",
        ),
        (
            rf"^(?:does|do) (?:the )?(.+?) have (?:the |an? )?(.+?) (in front of|behind|above|below|under) {_IT}(?: \?)*$",
            r"is the \2 \3 the \1",
        ),
        (r"\b(?:before or behind|behind or before)\b", "in front of or behind"),
        (r"\bspace between\b", "gap between"),
        # Sounds that overlap in space are asked for their places.
        (r"\b(overlap\w*|coincid\w*)((?: \w+)*) (?:in (?:3d |the )?space|spatially)\b", r"\1\2 location"),
        (r"\bspatial(?:ly)? (?=overlap|coincid)", "location "),
    )
)
_OF_ANGLES = re.compile(r"\b(?:azimuths?|azimuthal|angles?|degrees?|bearing)\b")
_FROM_ZERO = re.compile(
    rf"\b(?:(?:measured |counted )?(?:from|relative to|with respect to|with|off)) (?:the |my |your )?{_ZERO}(?= |$)"
)
RELATIVE_TO_LISTENER = rf"(?:relative|compared|with respect|in relation|in reference) to {_LISTENER}"


def plainer(text: str) -> str:
    """Returns a normalized text with what is said in a roundabout way said plainly."""
    text = re.sub(_ONE_OR_TWO, _how_many, text)
    for pattern, plain in PLAINER:
        text = pattern.sub(plain, text)
    if _OF_ANGLES.search(text):
        text = _FROM_ZERO.sub("", text)
    return text


def _how_many(found: re.Match[str]) -> str:
    """Returns "how many sounds" for "one sound or two", and leaves "one or two" of something else."""
    things = re.findall(rf"{_SOUND}s?\b", found.group())
    return f"how many {things[-1].removesuffix('s')}s" if things else found.group()
