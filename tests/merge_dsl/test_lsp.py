"""`awase lsp`, driven through a real client: every feature, at places counted as an editor counts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pygls.lsp.client")

from lsprotocol import types

from merge_dsl.tools.lsp.positions import Positions
from tests.merge_dsl.conftest import HEAD, TAIL, TASK, merge_recipe
from tests.merge_dsl.lsp_editor import Editor

ROOT = Path(__file__).parents[2]
UTF16 = types.PositionEncodingKind.Utf16
COMMON = 'recipe common\n\n# 絵 🍣\nmodel kin from "file:base"\ndata more from "file:e.jsonl"\n'


@pytest.fixture(scope="module")
def editor(world: Path) -> Iterator[Editor]:
    (world / "common.merge").write_text(COMMON, encoding="utf-8")
    editor = Editor(world, [UTF16])
    yield editor
    editor.close()
    assert not [line for line in editor.logged if "our mistake" in line]


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def place(text: str, mark: str, after: bool = False, nth: int = 0) -> types.Position:
    """Where the nth `mark` begins, or ends, counted in UTF-16 by other means than ours."""
    at = -1
    for _ in range(nth + 1):
        at = text.index(mark, at + 1)
    before = text[: at + len(mark) * after]
    return types.Position(before.count("\n"), units(before.rpartition("\n")[2]))


def cut(text: str, where: types.Range) -> str:
    """The text under a range."""
    lines = text.split("\n")

    def offset(position: types.Position) -> int:
        line = lines[position.line].encode("utf-16-le")[: position.character * 2]
        inside = len(line.decode("utf-16-le"))
        return sum(len(other) + 1 for other in lines[: position.line]) + inside

    return text[offset(where.start) : offset(where.end)]


def applied(text: str, edits: list[types.TextEdit]) -> str:
    [edit] = edits
    positions = Positions(text)
    start, end = positions.offset(edit.range.start), positions.offset(edit.range.end)
    return text[:start] + edit.new_text + text[end:]


def whole(uri: str) -> types.TextDocumentIdentifier:
    return types.TextDocumentIdentifier(uri)


# ---- diagnostics ------------------------------------------------------------


def test_findings_while_typing(editor: Editor) -> None:
    right = merge_recipe(TASK)
    uri = editor.open(right)
    assert not [d for d in editor.findings(uri, 1) if d.severity == types.DiagnosticSeverity.Error]
    wrong = right.replace("0.0..1.0", "1.0..0.0")
    found = {d.code: d for d in editor.change(uri, wrong, 2)}
    assert cut(wrong, found["X301"].range) == "1.0..0.0"
    assert found["X301"].severity == types.DiagnosticSeverity.Error
    assert found["X301"].source == "awase" and "backwards" in found["X301"].message
    broken = right.replace("seed = 1", "seed =")
    assert "S002" in {d.code for d in editor.change(uri, broken, 3)}
    assert "X301" not in {d.code for d in editor.change(uri, right, 4)}


def test_a_closed_text_has_no_findings(editor: Editor) -> None:
    uri = editor.open("recipe x\nmodle")
    assert editor.findings(uri, 1)
    params = types.DidCloseTextDocumentParams(whole(uri))
    editor.client.text_document_did_close(params)
    assert editor.findings(uri, None) == []  # type: ignore[arg-type]


def test_japanese_and_emoji_shift_nothing(editor: Editor) -> None:
    text = (
        'recipe x\nmodel a from "file:base" { licence = "🍣寿司👩‍🍳"; revison = "main" } # 🎌 絵\n'
    )
    uri = editor.open(text)
    found = {d.code: d for d in editor.findings(uri, 1)}
    assert cut(text, found["N104"].range) == "revison"
    assert found["N104"].range.start == place(text, "revison")
    params = types.HoverParams(whole(uri), place(text, "licence", True))
    hover = editor.wait(editor.client.text_document_hover_async(params))
    assert hover is not None and "under which" in str(hover.contents)


def test_configuration_is_heeded(editor: Editor, world: Path) -> None:
    folder = world / "configured"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[tool.awase.lint]\nignore = ["C903"]\n')
    text = merge_recipe(TASK).replace("  seed = 1\n", "").replace("file:", "file:../")
    uri = editor.open(text, "configured/a.merge")
    assert "C903" not in {d.code for d in editor.findings(uri, 1)}
    assert "C903" in {d.code for d in editor.findings(editor.open(text, "plain/a.merge"), 1)}


# ---- changes ----------------------------------------------------------------


def actions(editor: Editor, uri: str, where: types.Range, *only: str) -> list[types.CodeAction]:
    context = types.CodeActionContext([], only=list(only) or None)  # type: ignore[arg-type]
    params = types.CodeActionParams(whole(uri), where, context)
    found = editor.wait(editor.client.text_document_code_action_async(params))
    return [action for action in found or [] if isinstance(action, types.CodeAction)]


def edits(action: types.CodeAction, uri: str) -> list[types.TextEdit]:
    assert action.edit is not None and action.edit.changes is not None
    return list(action.edit.changes[uri])


def test_a_safe_fix_is_preferred(editor: Editor) -> None:
    text = "# 絵文字 🎌\n" + merge_recipe(TASK).replace("0.0..1.0", "1.0..0.0")
    uri = editor.open(text)
    at = place(text, "1.0..0.0", True)
    found = actions(editor, uri, types.Range(at, at), "quickfix")
    [fix] = [a for a in found if a.diagnostics and a.diagnostics[0].code == "X301"]
    assert fix.is_preferred and "unsafe" not in fix.title
    assert applied(text, edits(fix, uri)) == text.replace("1.0..0.0", "0.0..1.0")


def test_an_unsafe_fix_says_so(editor: Editor) -> None:
    text = merge_recipe(TASK.replace("weight", "wieght"))
    uri = editor.open(text)
    at = place(text, "wieght")
    [fix] = [a for a in actions(editor, uri, types.Range(at, at), "quickfix") if "N104" in a.title]
    assert not fix.is_preferred and "unsafe" in fix.title
    assert applied(text, edits(fix, uri)) == text.replace("wieght", "weight")
    top = types.Position(0, 0)
    assert not [a for a in actions(editor, uri, types.Range(top, top)) if "N104" in a.title]


def test_all_safe_fixes_at_once(editor: Editor) -> None:
    text = merge_recipe(TASK).replace("0.0..1.0", "1.0..0.0").replace("seed = 1", "seed  =  1")
    uri = editor.open(text)
    top = types.Range(types.Position(0, 0), types.Position(0, 0))
    [action] = actions(editor, uri, top, "source.fixAll")
    assert action.kind == "source.fixAll.awase"
    mended = applied(text, edits(action, uri))
    assert "0.0..1.0" in mended and "seed = 1\n" in mended
    assert actions(editor, uri, top, "refactor") == []
    other = editor.open(mended)
    assert actions(editor, other, top, "source.fixAll") == []


def test_formatting(editor: Editor) -> None:
    text = 'recipe x\n# 🎌\nmodel   a from "file:base"   # 絵\nmerge m {keep language from a}\n'
    uri = editor.open(text)
    params = types.DocumentFormattingParams(whole(uri), types.FormattingOptions(2, True))
    found = editor.wait(editor.client.text_document_formatting_async(params))
    better = applied(text, list(found or []))
    assert '\n# 🎌\nmodel a from "file:base"  # 絵\n\nmerge m { keep language from a }\n' in better
    broken = editor.open("recipe x\nmodel   a\n")
    params = types.DocumentFormattingParams(whole(broken), types.FormattingOptions(2, True))
    assert not editor.wait(editor.client.text_document_formatting_async(params))


# ---- what is shown ----------------------------------------------------------


def hover(editor: Editor, text: str, mark: str, nth: int = 0) -> str:
    uri = editor.open(text)
    params = types.HoverParams(whole(uri), place(text, mark, nth=nth))
    found = editor.wait(editor.client.text_document_hover_async(params))
    return "" if found is None else str(getattr(found.contents, "value", found.contents))


def test_hover(editor: Editor) -> None:
    text = f'{merge_recipe(TASK)}use "common.merge" as common\n'
    page = hover(editor, text.replace("0.0..1.0", "1.0..0.0"), "1.0..0.0")
    assert "# X301 backwards-range" in page and "```awase\n" in page and "merge fires" not in page
    model = hover(editor, text, "tongue", nth=1)
    assert 'model tongue from "file:tongue"' not in model or "- hidden: 8" in model
    assert "- hidden: 8" in hover(editor, text, "eyes.language")
    assert "a part of a model" in hover(editor, text, "language {")
    assert "Ilharco" in hover(editor, text, "task_arithmetic")
    assert "default 1.0" in hover(editor, text, "weight")
    assert "Lin 2004" in hover(editor, text, "rouge_l on dev")
    assert "share of each range" in hover(editor, text, "sigma")
    assert "candidates" not in hover(editor, text, "sigma") and hover(editor, text, "cma_es(")
    assert "when to stop" in hover(editor, text, "budget")
    assert "ancestor" in hover(editor, text, "base base")
    assert hover(editor, "recipe x\n\n", "\n\n") == ""
    road = "recipe x\nroute r {\n  scale = network(0.5..1.5, hidden = 2)\n}\n"
    assert "from where it comes" in hover(editor, road, "network")
    assert "default 4" in hover(editor, road, "hidden")
    assert "a network" in hover(editor, road, "scale")


def test_hover_while_nothing_parses(editor: Editor) -> None:
    text = HEAD + "merge student {\n  keep vision from eyes\n  language.layers by ties { take "
    assert "- vision layers: 2" in hover(editor, text, "eyes", nth=2)
    gone = 'recipe x\nmodel lost from "file:lost"\nmerge m { keep language from lost }\n}'
    assert "no model folder" in hover(editor, gone, "lost", nth=2)


def completed(editor: Editor, text: str) -> dict[str, types.CompletionItem]:
    """What is offered where `¦` stands."""
    at = place(text, "¦")
    uri = editor.open(text.replace("¦", ""))
    params = types.CompletionParams(whole(uri), at)
    found = editor.wait(editor.client.text_document_completion_async(params))
    assert isinstance(found, types.CompletionList)
    return {item.label: item for item in found.items}


MERGE = HEAD + 'use "common.merge" as common\nlet share = 0.2..0.8 # 🍣\nmerge student {\n'


@pytest.mark.parametrize(
    ("text", "offered", "not_offered"),
    [
        ("¦", ["recipe"], ["model"]),
        ("recipe x\n¦", ["model", "merge", "use"], ["recipe", "keep"]),
        ("recipe x\nmodel a ¦", ["from"], ["to"]),
        ('recipe x\nmodel a from "¦', ["zoo:emoji-vlm-en", "file:"], ["zoo:emoji-ja"]),
        ('recipe x\ndata a from "zo¦o:x"', ["zoo:emoji-ja"], ["zoo:emoji-vlm-en"]),
        ('recipe x\ndata a from "file:b" { ¦ }', ["split", "rows"], ["dtype", "weight"]),
        ('recipe x\nwrite a to "b" { dtype = ¦', ["bf16", "fp16"], ["split"]),
        (MERGE + "¦", ["keep", "language", "vision"], ["take", "model"]),
        (MERGE + "keep vision, ¦", ["projector", "head"], ["eyes"]),
        (MERGE + "keep vision ¦", ["from"], ["by"]),
        (MERGE + "keep vision from ¦", ["eyes", "base", "common"], ["dev", "share"]),
        (MERGE + "keep vision from eyes.¦", ["language", "vision"], ["eyes", "dev"]),
        (MERGE + "keep vision from eyes.la¦", ["language"], ["eyes"]),
        (MERGE + "keep vision from eyes.language.¦", ["layers", "head"], ["language"]),
        (MERGE + "keep language from common.¦", ["kin"], ["eyes"]),
        (MERGE + "language.¦", ["layers", "embed"], ["eyes", "language"]),
        (MERGE + "language.layers ¦", ["by"], ["from"]),
        (MERGE + "language.layers by ¦", ["ties", "choice"], ["cma_es", "eyes"]),
        (MERGE + "language.layers by choice ties | ¦", ["dare_ties"], ["rouge_l"]),
        (MERGE + "language.layers by dare_ties(¦", ["seed"], ["weight"]),
        (MERGE + "language.layers by ties {\n¦", ["base", "take", "scale", "weight"], ["keep"]),
        (MERGE + "language.layers by ties {\ntake ¦", ["tongue"], ["dev"]),
        (MERGE + "language.layers by ties {\ntake eyes { ¦", ["density"], ["scale", "sigma"]),
        (MERGE + "language.layers by ties { each { weight = ¦", ["choice", "share"], ["eyes"]),
        (MERGE + "language.layers by ties { each { weight = 0.1 ¦", ["per", "at", "when"], []),
        (MERGE + "language.layers by ties { each { weight = 0.1 per 8 ¦", ["layers"], ["per"]),
        (MERGE + "language.layers by ties { compat = ¦", ["paper", "mergekit"], ["eyes"]),
        (MERGE + "language.layers by fisher { on = ¦", ["dev"], ["eyes", "share"]),
        (MERGE + "language.layers by ties { density = 1 when ¦", ["method", "share"], ["eyes"]),
        (MERGE + "language.layers by ties { density = 1 when method is ¦", ["ties"], ["eyes"]),
        (MERGE + "}\nsearch ¦", ["student"], ["eyes"]),
        (MERGE + "}\nsearch student { ¦", ["maximize", "budget", "by"], ["split"]),
        (MERGE + "}\nsearch student { maximize ¦", ["rouge_l"], ["dev", "ties"]),
        (MERGE + "}\nsearch student { maximize rouge_l ¦", ["on"], ["rouge_l"]),
        (MERGE + "}\nsearch student { maximize rouge_l(¦", ["tokenizer"], ["sigma"]),
        (MERGE + "}\nsearch student { maximize rouge_l on ¦", ["dev", "common.more"], ["eyes"]),
        (MERGE + "}\nsearch student { by = ¦", ["cma_es"], ["rouge_l"]),
        (MERGE + "}\nsearch student { by = cma_es(¦", ["sigma", "population"], ["tokenizer"]),
        (MERGE + "}\nsearch student { budget = 10 ¦", ["trials"], ["layers"]),
        (MERGE + "}\nreport student {\n  ¦", ["cider"], ["maximize"]),
        (MERGE + "}\nroute road {\n¦", ["begin", "path", "repeat"], ["keep"]),
        (MERGE + "}\nroute road { path ¦", ["student", "maybe"], ["dev"]),
        (MERGE + "}\nroute road { scale = ¦", ["network", "int"], ["eyes"]),
        (MERGE + "}\nroute road { scale = network(¦", ["hidden", "weights"], ["sigma"]),
        (MERGE + "}\nroute road { scale = 0.5..1.5 per ¦", ["pair", "hop"], ["eyes"]),
        (MERGE + "language.layers by ties { scale = ¦", ["choice"], ["network"]),
        ("recipe x  # ¦", [], ["model", "recipe"]),
        ("recipe x  # lint: allow ¦", ["X306"], ["model"]),
        ("recipe x  # 絵 🍣\nmo¦", ["model"], ["keep"]),
    ],
)
def test_completion(editor: Editor, text: str, offered: list[str], not_offered: list[str]) -> None:
    found = completed(editor, text)
    assert set(offered) <= set(found) and not set(not_offered) & set(found), sorted(found)


def test_completion_replaces_what_is_begun(editor: Editor) -> None:
    text = f"{MERGE}  keep vision from ey¦"
    edit = completed(editor, text)["eyes"].text_edit
    assert isinstance(edit, types.TextEdit)
    assert applied(text.replace("¦", ""), [edit]).endswith("keep vision from eyes")


def target(editor: Editor, text: str, mark: str, nth: int = 0) -> tuple[str, str] | None:
    uri = editor.open(text)
    params = types.DefinitionParams(whole(uri), place(text, mark, nth=nth))
    found = editor.wait(editor.client.text_document_definition_async(params))
    if found is None:
        return None
    assert isinstance(found, types.Location)
    name = found.uri.rpartition("/")[2]
    there = text if found.uri == uri else COMMON
    return "here" if found.uri == uri else name, cut(there, found.range)


def test_definition(editor: Editor) -> None:
    text = (
        'recipe x # 🎌\nuse "common.merge" as common # 絵\n'
        + merge_recipe(TASK.replace("0.0..1.0", "share")).replace("recipe test\n", "")
        + "search student { maximize rouge_l on common.more }\n"
    ).replace("merge student", "let share = 0.1..0.2\nmerge student")
    assert target(editor, text, "eyes.language") == ("here", "eyes")
    assert target(editor, text, "dev\n", nth=0) == ("here", "dev")
    assert target(editor, text, "share }") == ("here", "share")
    assert target(editor, text, "student {", nth=1) == ("here", "student")
    assert target(editor, text, "base\n    take") == ("here", "base")
    assert target(editor, text, "more }") == ("common.merge", "more")
    assert target(editor, text, "common.more") == ("common.merge", "more")
    assert target(editor, text, "common.merge") == ("common.merge", "")
    assert target(editor, text, "file:d.jsonl") == ("d.jsonl", "")
    assert target(editor, text, "keep") is None
    assert target(editor, text, "base base") is None


def test_inlay_hints(editor: Editor) -> None:
    blend = TASK.replace("0.0..1.0 }", "share per 2 layers }").replace(
        "take tongue", "take tongue { weight = 0.0..1.0 per layer }"
    )
    text = merge_recipe(blend).replace("merge student", "# 🎌\nlet share = 0.1..0.2\nmerge student")
    text = text.replace("share per 2 layers", "share").replace("0.1..0.2", "0.1..0.2 per 2 layers")
    uri = editor.open(text)
    everything = types.Range(types.Position(0, 0), types.Position(999, 0))
    params = types.InlayHintParams(whole(uri), everything)
    found = editor.wait(editor.client.text_document_inlay_hint_async(params))
    shown = {str(h.label): h.position for h in found or []}
    assert shown == {
        "2 dimensions": place(text, "per 2 layers", True),
        "4 dimensions": place(text, "per layer", True, nth=0),
        "6 dimensions": place(text, "search student", True),
    }
    few = types.InlayHintParams(whole(uri), types.Range(types.Position(0, 0), types.Position(3, 0)))
    assert not editor.wait(editor.client.text_document_inlay_hint_async(few))


def test_inlay_hints_of_a_road(editor: Editor) -> None:
    road = (
        "route road {\n  begin base\n  path base.layers[0..1] scale share\n"
        "    -> (maybe base.layers[2] -> tongue.layers) x int 1..2\n  end base\n}\n"
        "route pool {\n  begin base\n  pool base.layers[0..3]\n  walk = flag per slot\n  require layers >= 1\n  end base\n}\n"
    )
    tail = TAIL.replace("student", "road")
    text = f"{HEAD}let share = 0.5..1.5\n{road}{tail}"
    params = types.InlayHintParams(
        whole(editor.open(text)), types.Range(types.Position(0, 0), types.Position(999, 0))
    )
    found = editor.wait(editor.client.text_document_inlay_hint_async(params))
    shown = sorted((h.position.line, h.position.character, str(h.label)) for h in found or [])
    expected = {
        "0.5..1.5": "1 dimension",
        "int 1..2": "2 dimensions",
        "flag per slot": "4 dimensions",
        "search road": "3 dimensions",
    }
    places = [(place(text, mark, True), label) for mark, label in expected.items()]
    assert shown == [(at.line, at.character, label) for at, label in places]


def test_document_symbols(editor: Editor) -> None:
    text = f"# 🎌\n{merge_recipe(TASK)}model"
    uri = editor.open(text)
    params = types.DocumentSymbolParams(whole(uri))
    found = editor.wait(editor.client.text_document_document_symbol_async(params)) or []
    symbols = [s for s in found if isinstance(s, types.DocumentSymbol)]
    names = [s.name for s in symbols]
    assert names == [
        "test",
        "base",
        "eyes",
        "tongue",
        "dev",
        "held",
        "student",
        "student",
        "student",
        "model",
    ]
    blend = symbols[6]
    assert [c.name for c in blend.children or []][1] == "language.layers by task_arithmetic"
    assert cut(text, blend.selection_range) == "student"
    assert cut(text, blend.range).startswith("merge student") and "tongue" in cut(text, blend.range)


# ---- the wire --------------------------------------------------------------


def test_a_strange_text_over_the_wire(editor: Editor) -> None:
    uri = editor.open("recipe x\rmodel a\r🍣 \u2028\x0c{{{")
    assert editor.findings(uri, 1)
    assert editor.change(uri, "\ud83c lone", 2)
    assert not [line for line in editor.logged if "our mistake" in line]


def test_an_editor_that_counts_otherwise(world: Path) -> None:
    editor = Editor(world, [types.PositionEncodingKind.Utf32, UTF16])
    text = 'recipe x\nmodel a from "file:base" { licence = "🍣🍣"; revison = "main" }\n'
    uri = editor.open(text)
    [start] = [d.range.start for d in editor.findings(uri, 1) if d.code == "N104"]
    chosen = editor.abilities.position_encoding
    line = text.split("\n")[1]
    wide = chosen != types.PositionEncodingKind.Utf32
    assert start.character == line.index("revison") + 2 * wide
    editor.close()
