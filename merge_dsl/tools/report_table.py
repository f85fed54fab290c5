"""A report in a terminal: the table of models, the differences that matter, three pictures' answers.

In: a `Report`. Out: text on stdout, by rich. What users and models wrote is never read as markup:
"[/b]" is an answer like any other.
"""

from merge_dsl.search.report import Report, Score

BEST = "bold green"


def print_report(report: Report) -> None:
    """Print what `report.html` shows, but for the pictures themselves."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    title = Text(f"{report.recipe}: scores on the report split, 95 % intervals", style="italic")
    table = Table(title=title)
    table.add_column("model")
    for score in report.models[0].scores:
        table.add_column(Text(f"{score.metric}\n{score.data}"), justify="right")
    for row in report.models:
        style = BEST if row.role == "evolved" else ("" if row.role == "parent" else "dim")
        cells = [_cell(score) for score in row.scores]
        table.add_row(Text(f"{row.name} ({row.role})"), *map(Text, cells), style=style)
    console.print(table)
    for score in report.models[-1].scores:
        line = strongest_rival(report, score)
        if line:
            console.print(line, highlight=False, markup=False)
    for note in report.notes:
        console.print(note, style="dim", highlight=False, markup=False)
    for shown in report.shown:
        asked = shown.question.strip().partition("\n")[0]
        line = f"\n{asked} → {'、'.join(shown.references)}"
        console.print(line, style="bold", highlight=False, markup=False)
        for name, text in shown.said.items():
            console.print(f"  {name:<10} {text or '(nothing)'}", highlight=False, markup=False)
    console.print()


def _cell(score: Score) -> str:
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


def strongest_rival(report: Report, score: Score) -> str:
    """How the child stands against the best unsearched blend on one metric, in one line."""
    rivals = [
        (other.value, row.name)
        for row in report.models
        if row.role == "baseline"
        for other in row.scores
        if (other.data, other.metric) == (score.data, score.metric)
    ]
    if not rivals:
        return ""
    _, name = max(rivals)
    found = next(
        d
        for d in report.differences
        if (d.against, d.data, d.metric) == (name, score.data, score.metric)
    )
    clear = "clear of zero" if found.low > 0 or found.high < 0 else "not clear of zero"
    return (
        f"{score.metric} on {score.data}: {found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
        f" against {name}, the best unsearched blend ({clear})"
    )
