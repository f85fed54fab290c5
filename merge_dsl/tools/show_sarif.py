"""Diagnostics as SARIF 2.1.0, the format that code scanning reads.

In: the findings of all files. Out: one JSON text with one run. Each rule that is found brings its page
as help; lines and columns count from 1 in Unicode code points, and ends are exclusive.
"""

import json
import os
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from merge_dsl.text.codes import CODES
from merge_dsl.text.diagnostics import Diagnostic
from merge_dsl.text.source import Source, Span
from merge_dsl.tools.rule_pages import PageError, read_page
from merge_dsl.tools.show_json import Findings, place_of
from merge_dsl.tools.width import escaped, printable

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def show_sarif(findings: Findings, version: str | None = None) -> str:
    """All findings of all files."""
    table = [(source, d) for source, diagnostics in findings for d in diagnostics]
    codes = sorted({d.code for _, d in table})
    driver: dict[str, Any] = {"name": "awase", "rules": [_rule(code) for code in codes]}
    if version is not None:
        driver["version"] = version
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": all(d.code != "S014" for _, d in table)}],
        "results": [_result(source, d, codes.index(d.code)) for source, d in table],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return escaped(json.dumps(log, ensure_ascii=False, indent=2))


def _rule(code: str) -> dict[str, Any]:
    slug, severity = CODES[code]
    rule: dict[str, Any] = {
        "id": code,
        "name": slug,
        "defaultConfiguration": {"level": str(severity)},
    }
    try:
        page = read_page(code)
    except (PageError, OSError):
        return rule  # a finding without its page is better than none
    about = page.about.replace("`", "")
    rule["shortDescription"] = {"text": about.partition(". ")[0].rstrip(".") + "."}
    rule["fullDescription"] = {"text": about}
    rule["help"] = {"text": page.text, "markdown": page.text}
    return rule


def _result(source: Source, diagnostic: Diagnostic, index: int) -> dict[str, Any]:
    help = f" ({diagnostic.help})" if diagnostic.help else ""
    artifact = {"uri": _uri(source.path)}
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": index,
        "level": str(diagnostic.severity),
        "message": {"text": printable(f"{diagnostic.message}{help}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": artifact,
                    "region": _region(source, diagnostic.span),
                }
            }
        ],
    }
    fix = diagnostic.fix
    if fix is not None:
        replacement = {
            "deletedRegion": _region(source, fix.span),
            "insertedContent": {"text": fix.text},
        }
        change = {"artifactLocation": artifact, "replacements": [replacement]}
        kind = "safe" if fix.safe else "unsafe"
        what = diagnostic.help or f"write {fix.text}"
        result["fixes"] = [
            {"description": {"text": printable(f"{what} ({kind})")}, "artifactChanges": [change]}
        ]
    return result


def _region(source: Source, span: Span) -> dict[str, int]:
    place = place_of(source, span)
    return {
        "startLine": place["line"],
        "startColumn": place["column"],
        "endLine": place["end_line"],
        "endColumn": place["end_column"],
    }


def _uri(path: str) -> str:
    """Relative to the folder of the command, or a `file:` address."""
    pure = PurePath(path)
    # A name of a file may hold bytes that are no text.
    return pure.as_uri() if pure.is_absolute() else quote(os.fsencode(pure.as_posix()))
