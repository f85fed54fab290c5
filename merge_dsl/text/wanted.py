"""What could have stood at a place, in words, for every set of terminals that the parser can expect.

In: the set. Out: a phrase written by hand, or None where nobody has written one yet; a test over
mutants of all recipes holds that this does not happen. The first pattern whose terminals are all
expected gives the phrase, so the telling ones stand first.
"""

PATTERNS: tuple[tuple[str, str], ...] = (
    # between declarations, and at the beginning of a line of each block
    ("MODEL MERGE", "a declaration, such as `model` or `merge`"),
    ("KEEP", "a line of a merge (`keep … from …`, `… by …`, `require`) or `}`"),
    ("BASE TAKE", "a line of a blend (`base`, `each`, `take`, a setting) or `}`"),
    ("MAXIMIZE", "a line of a search (`maximize`, `minimize`, `require`, a setting) or `}`"),
    ("BEGIN POOL", "a line of a route (`begin`, `path`, `pool`, `end`, a setting) or `}`"),
    # behind a name or a value whose place is not known yet
    ("BY FROM ON", "the rest of the line"),
    ("COMPARE RSQB", "the rest of the line"),
    # values and names
    ("NUMBER STRING", "a value"),
    ("STRING", "a text in quotes"),
    ("CHOICE NAME", "a method, or `choice` and several"),
    ("LPAR NAME", "the layers of a model, or `(`"),
    ("MINUS NAME NUMBER", "a term, such as `rouge_l on my_data`"),
    ("NAME NUMBER RBRACE", "a term, such as `rouge_l on my_data`, or `}`"),
    ("NAME NUMBER", "a name or a number"),
    ("NUMBER STAR", "the number of a layer, or `*`"),
    ("NUMBER", "a number"),
    # inside brackets
    ("RSQB __ANON_1", "`..`, `,` or `]`"),
    ("COMMA RSQB", "`,` or `]`"),
    ("EQUAL RPAR", "`=`, `,` or `)`"),
    ("RPAR SCALE", "`->`, `x`, `scale` or `)`"),
    ("RPAR COMMA", "`,` or `)`"),
    ("RPAR", "an operator or `)`"),
    # the small words
    ("EQUAL", "`=`"),
    ("FROM", "`from`"),
    ("BY", "`by`"),
    ("TO", "`to`"),
    ("ON", "`on`"),
    ("IS", "`is`"),
    ("COMPARE", "a comparison, such as `<=`"),
    ("AS", "the end of the line, or `as` and a name"),
    # behind a value or a path that may be whole
    ("SCALE", "the end of the line, or `->`, `x`, `scale`"),
    ("AT PER START", "the end of the line, or `step`, `start`, `per`, `at`, `when`"),
    ("AT PER", "the end of the line, or `per`, `at`, `when`"),
    ("LBRACE VBAR", "the end of the line, or `|`, `{`"),
    ("VBAR SEMICOLON", "the end of the line, or `|`"),
    ("VBAR", "`|` and another choice"),
    ("LBRACE SEMICOLON", "the end of the line, or `{`"),
    ("LBRACE $END", "the end of the line, or `{`"),
    ("LBRACE", "`{`"),
    ("COMMA SEMICOLON", "the end of the line, or `,`"),
    ("__ANON_1", "`..` and the other end of the range"),
    ("PLUS SEMICOLON", "the end of the line"),
    ("NAME RBRACE", "a setting or `}`"),
    ("NAME", "a name"),
    ("RSQB", "`]`"),
    ("STAR", "`*`"),
    ("RBRACE", "the end of the line, or `}`"),
    ("SEMICOLON", "the end of the line"),
    ("$END", "the end of the line"),
)
_SETS = tuple((frozenset(terminals.split()), phrase) for terminals, phrase in PATTERNS)


def wanted(expected: frozenset[str]) -> str | None:
    """The phrase for a set of expected terminals."""
    return next((phrase for terminals, phrase in _SETS if terminals <= expected), None)
