"""The grammar -> the machine that reads recipes, by way of tables in the user's cache folder.

Out: one `Machine` a process. Lark makes the tables where the cache has none for this grammar. Their file
is JSON, in which nothing can hide that runs, and it holds the grammar that it was made of.
"""

import json
import os
import re
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from merge_dsl.text.grammar import cache_folder, grammar_text, parser
from merge_dsl.text.machine import NAME, Machine, Rule, Tables

FORMAT = 1  # of the file; one more wherever `Tables` or its making changes


@cache
def machine() -> Machine:
    """The machine. A cache that cannot be used is no error."""
    grammar = grammar_text()
    try:
        file = cache_folder() / f"recipe-{zlib.crc32(grammar.encode()):08x}.json"
    except RuntimeError:  # this user has no home
        return Machine(made())
    tables = _kept(file, grammar)
    if tables is None:
        tables = made()
        _keep(file, grammar, tables)
    return Machine(tables)


def _kept(file: Path, grammar: str) -> Tables | None:
    """The tables of a file, where it is this user's and of this grammar."""
    try:
        with file.open(encoding="utf-8") as stream:
            if hasattr(os, "getuid") and os.fstat(stream.fileno()).st_uid != os.getuid():
                return None
            form, written_of, tables = json.load(stream)
        if form != FORMAT or written_of != grammar:
            return None
        found = Tables(*tables)
        return found._replace(rules=[Rule(*rule) for rule in found.rules])
    except (OSError, ValueError, TypeError):
        return None


def _keep(file: Path, grammar: str, tables: Tables) -> None:
    """Write the tables for the next process, which sees all of them or none."""
    beside = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps([FORMAT, grammar, tables]), encoding="utf-8")
        beside.replace(file)
    except OSError:
        with suppress(OSError):
            beside.unlink()


def made() -> Tables:
    """The tables, from the parser that Lark builds of the grammar."""
    lark: Any = parser()
    table = lark.parser.parser.parser.parse_table
    terminals = {
        terminal.name: terminal.pattern
        for terminal in sorted(
            lark.terminals,
            key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name),
        )
    }
    name = re.compile(terminals[NAME].to_regexp())
    number = {rule: at for at, rule in enumerate(lark.rules)}
    return Tables(
        start=table.start_states["start"],
        end=table.end_states["start"],
        moves=[
            {
                symbol: ~number[to] if str(action) == "Reduce" else to
                for symbol, (action, to) in table.states[state].items()
            }
            for state in range(len(table.states))
        ],
        rules=[_rule(rule) for rule in lark.rules],
        patterns={terminal: pattern.to_regexp() for terminal, pattern in terminals.items()},
        soft={
            pattern.value: terminal
            for terminal, pattern in terminals.items()
            if pattern.type == "str" and name.fullmatch(pattern.value)
        },
        ignored=list(lark.lexer_conf.ignore),
        kept=sorted({s.name for r in lark.rules for s in r.expansion if _is_kept(s) and s.is_term}),
    )


def _rule(rule: Any) -> Rule:
    """What Lark does with a complete rule, which it keeps in closures."""
    size = len(rule.expansion)
    gaps = "".join("?" if empty else "." for empty in rule.options.empty_indices)
    nones = [len(gap) for gap in gaps.split(".")] if gaps else [0] * (size + 1)
    picks, before = [], 0
    for place, symbol in enumerate(rule.expansion):
        before += nones[place]
        if _is_kept(symbol):
            picks.append((place, not symbol.is_term and symbol.name.startswith("_"), before))
            before = 0
    behind = before + nones[size]
    inside = rule.origin.name.startswith("_")
    alone = rule.options.expand1 and not rule.alias
    through = size == 1 and not behind and picks == [(0, inside, 0)] and (inside or alone)
    name = "" if inside else rule.alias or rule.origin.name
    return Rule(rule.origin.name, size, name, alone, through, picks, behind)


def _is_kept(symbol: Any) -> bool:
    return not (symbol.is_term and symbol.filter_out)
