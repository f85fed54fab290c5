"""Every code that a diagnostic may carry: its slug and its usual severity.

The letter is the family: S syntax, N names, K kinds, X space, M models, V vision, R routes, D data,
L licences, C cost, F form.
Who raises a code is found by its family: `merge_dsl/rules/` has one file for each, and S codes come
from `merge_dsl/text/`.
"""

from enum import StrEnum


class Severity(StrEnum):
    """How bad it is. An error forbids to go on; a note asks for nothing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

CODES: dict[str, tuple[str, Severity]] = {
    "S001": ("expected-something-else", ERROR),
    "S002": ("line-ends-early", ERROR),
    "S003": ("never-closed", ERROR),
    "S004": ("no-such-character", ERROR),
    "S005": ("reserved-word", ERROR),
    "S010": ("not-utf8", ERROR),
    "S011": ("byte-order-mark", WARNING),
    "S012": ("nul-character", ERROR),
    "S013": ("too-large", ERROR),
    "S014": ("cannot-read", ERROR),
    "N101": ("unknown-name", ERROR),
    "N102": ("used-before-defined", ERROR),
    "N103": ("never-used", WARNING),
    "N104": ("unknown-setting", ERROR),
    "N105": ("import-cycle", ERROR),
    "N106": ("unknown-method", ERROR),
    "N107": ("unknown-metric", ERROR),
    "N108": ("missing-file", ERROR),
    "N109": ("bad-import", ERROR),
    "N110": ("defined-twice", ERROR),
    "N111": ("unknown-engine", ERROR),
    "N112": ("written-twice", ERROR),
    "N199": ("not-yet", NOTE),
    "K201": ("model-against-difference", ERROR),
    "K202": ("base-missing", ERROR),
    "K203": ("budget-kind", ERROR),
    "K204": ("outside-domain", ERROR),
    "K205": ("wrong-kind", ERROR),
    "K206": ("base-refused", ERROR),
    "K207": ("wrong-part", ERROR),
    "K208": ("list-length", ERROR),
    "K209": ("takes-count", ERROR),
    "K210": ("wrong-way", WARNING),
    "K211": ("nothing-to-pick", WARNING),
    "K212": ("data-missing", ERROR),
    "X301": ("backwards-range", ERROR),
    "X302": ("start-outside", ERROR),
    "X303": ("bare-range", ERROR),
    "X304": ("log-of-zero", ERROR),
    "X305": ("nothing-varies", WARNING),
    "X306": ("too-few-trials", WARNING),
    "X307": ("choice-under-cma-es", WARNING),
    "X308": ("ignored-setting", WARNING),
    "X309": ("wasted-dimension", WARNING),
    "X310": ("covered-line", WARNING),
    "X311": ("bad-step", ERROR),
    "X312": ("holes-left", WARNING),
    "M401": ("shapes-differ", ERROR),
    "M402": ("no-such-layer", ERROR),
    "M403": ("ragged-groups", WARNING),
    "M404": ("not-an-ancestor", WARNING),
    "M405": ("vocabularies-differ", ERROR),
    "M406": ("ties-differ", ERROR),
    "M407": ("key-value-heads-differ", ERROR),
    "M408": ("rope-differs", WARNING),
    "M409": ("base-is-ingredient", WARNING),
    "M410": ("model-unknown", NOTE),
    "M411": ("damaged-model", ERROR),
    "M412": ("no-such-part", ERROR),
    "M413": ("tensors-differ", ERROR),
    "M414": ("unknown-block", ERROR),
    "M415": ("windows-differ", WARNING),
    "V501": ("part-without-origin", ERROR),
    "V502": ("no-image-token", ERROR),
    "V503": ("projector-width", ERROR),
    "V504": ("patch-grids-differ", WARNING),
    "V505": ("two-chat-templates", WARNING),
    "V506": ("image-token-outside", ERROR),
    "V507": ("cross-attention-moved", ERROR),
    "V508": ("layer-scale", ERROR),
    "V509": ("activations-differ", WARNING),
    "V510": ("preprocessing-differs", NOTE),
    "V511": ("tower-without-projector", WARNING),
    "V512": ("feature-layer-moves", WARNING),
    "R601": ("empty-road", ERROR),
    "R602": ("never-walked", WARNING),
    "R603": ("mostly-turned-away", WARNING),
    "R604": ("walked-again", NOTE),
    "R605": ("not-exportable", WARNING),
    "R606": ("first-hop-scaled", WARNING),
    "R607": ("vanishing-scale", WARNING),
    "R608": ("no-road", ERROR),
    "D701": ("reported-and-searched", ERROR),
    "D702": ("rows-in-both", ERROR),
    "D703": ("public-benchmark", WARNING),
    "D704": ("trained-on-report", ERROR),
    "D705": ("few-rows", WARNING),
    "D706": ("no-report", WARNING),
    "D707": ("subset-of-a-file", ERROR),
    "D708": ("few-captions", WARNING),
    "D709": ("language-of-references", WARNING),
    "L801": ("licences-clash", ERROR),
    "L802": ("pickled-weights", WARNING),
    "L803": ("not-in-the-lock", WARNING),
    "C901": ("too-little-memory", WARNING),
    "C902": ("longer-than-the-budget", WARNING),
    "C903": ("no-seed", WARNING),
    "C904": ("no-budget", ERROR),
    "F901": ("not-formatted", WARNING),
    "F902": ("not-snake-case", WARNING),
    "F903": ("no-reason", WARNING),
    "F904": ("unused-allowance", WARNING),
    "F905": ("unknown-allowance", WARNING),
}

# Rules that read rows of data; only `--deep` runs them.
NEED_ROWS = frozenset({"D702", "D709"})
