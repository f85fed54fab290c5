"""A report as one page that needs nothing else: inline pictures, inline curve, no script.

In: a `Report` and the scores of the trials in their order. Out: HTML text.
"""

import base64
from collections.abc import Sequence
from html import escape

from merge_dsl.search.report import ModelRow, Report, Score

STYLE = """
:root { color-scheme: light dark; --line: #8884; --mark: #c2410c; --soft: #8882 }
body { font: 16px/1.5 system-ui, "Noto Sans JP", sans-serif; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right }
th:first-child, td:first-child { text-align: left }
tr.evolved { font-weight: 600; background: var(--soft) }
small { opacity: .7; font-weight: 400 }
svg { width: 100%; height: auto }
.shown { display: flex; gap: 1rem; border-bottom: 1px solid var(--line); padding: 1rem 0 }
.shown img { width: 128px; height: 128px; image-rendering: pixelated; background: #fff }
.shown dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0 }
dd { margin: 0 }
"""


def to_html(report: Report, trials: Sequence[float]) -> str:
    """The text of `report.html`."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(report.recipe)} · awase</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(report.recipe)}</h1>",
        f"<p>{report.trials} trials, seed {report.seed}, {report.samples_evaluated:,} samples"
        f" scored in the search, fingerprint <code>{escape(report.fingerprint)}</code>.</p>",
        "<h2>Scores on the report split</h2>",
        _table(report.models),
        "<p><small>Brackets: 95 % intervals, bootstrap over pictures.</small></p>",
        _differences(report),
        "<h2>The search</h2>",
        _curve(trials),
        "<p><small>Dots: trials on the search split. Line: best so far. The search maximised"
        " this number, so it flatters; the table above does not.</small></p>",
        "<h2>What they said</h2>",
        *(_shown(report, i) for i in range(len(report.shown))),
        *(f"<p>{escape(note)}</p>" for note in report.notes),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _table(models: Sequence[ModelRow]) -> str:
    head = "".join(f"<th>{escape(_title(score))}</th>" for score in models[0].scores)
    rows = "".join(
        f"<tr class='{row.role}'><td>{escape(row.name)} <small>{row.role}</small></td>"
        + "".join(f"<td>{_number(score)}</td>" for score in row.scores)
        + "</tr>"
        for row in models
    )
    return f"<table><thead><tr><th>model</th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _title(score: Score) -> str:
    return f"{score.metric} on {score.data}"


def _number(score: Score) -> str:
    return f"{score.value:.3f}<br><small>[{score.low:.3f}, {score.high:.3f}]</small>"


def _differences(report: Report) -> str:
    if not report.differences:
        return ""
    rows = "".join(
        f"<tr><td>{escape(d.metric)} on {escape(d.data)}</td><td>{escape(d.against)}</td>"
        f"<td>{d.value:+.3f}</td><td>[{d.low:+.3f}, {d.high:+.3f}]</td></tr>"
        for d in report.differences
    )
    return (
        "<h2>Evolved minus its rivals, paired</h2><table><thead><tr><th>metric</th><th>against</th>"
        f"<th>difference</th><th>95 %</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _curve(trials: Sequence[float]) -> str:
    """Trials as dots, the best so far as a line; the scale follows the better nine tenths."""
    if len(trials) < 2:
        return ""
    width, height, edge = 800, 260, 40
    ranked = sorted(trials)
    low, high = ranked[len(ranked) // 10], ranked[-1]
    span = (high - low) or 1.0

    def place(index: int, value: float) -> tuple[float, float]:
        x = edge + index * (width - 2 * edge) / (len(trials) - 1)
        y = height - edge - (max(value, low) - low) / span * (height - 2 * edge)
        return x, y

    best, line, dots = trials[0], [], []
    for index, value in enumerate(trials):
        best = max(best, value)
        line.append("{:.1f},{:.1f}".format(*place(index, best)))
        x, y = place(index, value)
        dots.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2' fill='currentColor' opacity='.35'/>")
    return (
        f"<svg viewBox='0 0 {width} {height}' role='img' aria-label='score by trial'>"
        f"{''.join(dots)}<polyline points='{' '.join(line)}' fill='none' stroke='var(--mark)'"
        f" stroke-width='2'/><g font-size='12' fill='currentColor'>"
        f"<text x='{edge}' y='{height - 12}'>1</text>"
        f"<text x='{width - edge}' y='{height - 12}' text-anchor='end'>trial {len(trials)}</text>"
        f"<text x='{edge}' y='{edge - 12}'>{high:.4f}</text>"
        f"<text x='{edge}' y='{height - edge - 4}'>{low:.4f}</text></g></svg>"
    )


def _shown(report: Report, index: int) -> str:
    shown = report.shown[index]
    image = ""
    if shown.image is not None:
        image = (
            f"<img alt='{escape(shown.references[0])}' src='data:image/png;base64,"
            f"{base64.b64encode(shown.image).decode()}'>"
        )
    said = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in shown.said.items()
    )
    return (
        f"<div class='shown'>{image}<div><p>{escape(shown.question)}<br>"
        f"<small>{escape('、'.join(shown.references))}</small></p><dl>{said}</dl></div></div>"
    )
