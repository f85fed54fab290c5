"""Every code that a diagnostic may carry: its slug and its usual severity.

The letter is the family: S syntax, N names, K kinds, X space, M models, V vision, D data, C cost,
F form.
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
    "K202": ("base-missing", ERROR),
    "K203": ("budget-kind", ERROR),
    "K204": ("outside-domain", ERROR),
    "K205": ("wrong-kind", ERROR),
    "K206": ("base-refused", ERROR),
    "K207": ("wrong-part", ERROR),
    "K208": ("list-length", ERROR),
    "K209": ("takes-count", ERROR),
    "X301": ("backwards-range", ERROR),
    "X302": ("start-outside", ERROR),
    "X303": ("bare-range", ERROR),
    "X304": ("log-of-zero", ERROR),
    "X305": ("nothing-varies", WARNING),
    "X306": ("too-few-trials", WARNING),
    "X311": ("bad-step", ERROR),
    "M401": ("shapes-differ", ERROR),
    "M402": ("no-such-layer", ERROR),
    "M403": ("ragged-groups", WARNING),
    "M405": ("vocabularies-differ", ERROR),
    "M406": ("ties-differ", ERROR),
    "M407": ("key-value-heads-differ", ERROR),
    "M408": ("rope-differs", WARNING),
    "M409": ("base-is-ingredient", WARNING),
    "M410": ("model-unknown", NOTE),
    "M411": ("damaged-model", ERROR),
    "M412": ("no-such-part", ERROR),
    "V501": ("part-without-origin", ERROR),
    "D701": ("reported-and-searched", ERROR),
    "D706": ("no-report", WARNING),
    "D707": ("subset-of-a-file", ERROR),
    "C903": ("no-seed", WARNING),
    "C904": ("no-budget", ERROR),
    "F901": ("not-formatted", WARNING),
    "F903": ("no-reason", WARNING),
    "F904": ("unused-allowance", WARNING),
    "F905": ("unknown-allowance", WARNING),
}

# Rules that read rows of data; only `--deep` runs them.
NEED_ROWS = frozenset({"D702"})
