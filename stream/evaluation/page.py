"""A report as one HTML page that needs nothing else."""

from html import escape

from stream.evaluation.report import OURS, Plot, Report, Row, Table, metric_of, shown

STYLE = """
:root { color-scheme: light; --line: #e2e2e2; --soft: #666; --ours: #eaf1fb; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff;
       max-width: 1100px; margin: 2.5rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; margin-bottom: .3rem; }
h2 { font-size: 1.2rem; margin-top: 2.6rem; border-top: 1px solid var(--line);
     padding-top: 1.2rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p, li, figcaption { max-width: 75ch; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line);
         white-space: nowrap; vertical-align: baseline; }
th { font-weight: 600; vertical-align: bottom; white-space: normal; }
th:first-child, td:first-child { text-align: left; }
td small { color: var(--soft); font-size: .78rem; display: block; line-height: 1.1; }
tr.ours td { background: var(--ours); }
td b { color: #1f5fbf; }
.note { color: var(--soft); }
nav a { margin-right: 1rem; }
figure { margin: 1rem 0; }
figcaption { color: var(--soft); }
"""


def page(report: Report) -> str:
    """The whole page; plotly's script is in it if there are plots."""
    names = report.tables()
    sections = "\n".join(_section(report, name, place) for place, name in enumerate(names))
    rest = [plot for plot in report.plots if plot.table not in names]
    figures = "\n".join(_figure(report, plot) for plot in rest)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(report.title)}</title><style>{STYLE}</style>{_script(report)}</head><body>
<h1>{escape(report.title)}</h1>
{_about(report)}
{_notes(report, None)}
<nav>{"".join(f'<a href="#t{place}">{escape(name)}</a>' for place, name in enumerate(names))}</nav>
{sections}
{figures}
</body></html>
"""


def _script(report: Report) -> str:
    if not report.plots:
        return ""
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>"


def _about(report: Report) -> str:
    lines = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in report.about.items()
    )
    return f"<dl>{lines}</dl>" if lines else ""


def _notes(report: Report, table: str | None) -> str:
    texts = [text for place, text in report.notes if place == table]
    return "".join(f'<p class="note">{escape(text)}</p>' for text in texts)


def _section(report: Report, name: str, place: int) -> str:
    table = report.table(name)
    text = escape(report.text(name))
    figures = "\n".join(_figure(report, plot) for plot in report.plots if plot.table == name)
    return f"""<h2 id="t{place}">{escape(name)}</h2>
{f"<p>{text}</p>" if text else ""}
{"".join(_table(report, table, setting) for setting in table.settings)}
{_notes(report, name)}
{figures}"""


def _table(report: Report, table: Table, setting: str) -> str:
    """The methods of one setting, a column a metric that any of them has."""
    lines = [(method, cells) for found, method, cells in table.lines() if found == setting]
    used = [place for place in range(len(table.metrics)) if any(cells[place] for _, cells in lines)]
    metrics = [table.metrics[place] for place in used]
    heads = "".join(f"<th>{escape(metric_of(report, name).label)}</th>" for name in metrics)
    body = "".join(
        f"<tr{' class=ours' if method.startswith(OURS) else ''}><td>{escape(method)}</td>"
        + "".join(
            _cell(report, table, setting, name, cells[place])
            for name, place in zip(metrics, used, strict=True)
        )
        + "</tr>"
        for method, cells in lines
    )
    head = f"<h3>{escape(setting)}</h3>" if setting else ""
    return f'{head}<div class="wide"><table><tr><th></th>{heads}</tr>{body}</table></div>'


def _cell(report: Report, table: Table, setting: str, name: str, row: Row | None) -> str:
    metric = metric_of(report, name)
    value, interval = shown(row, metric)
    best = table.best(setting, name, metric.best)
    if row is not None and best is not None and row.value == best:
        value = f"<b>{value}</b>"
    count = f' title="n = {row.n:,}"' if row is not None and row.n is not None else ""
    return f"<td{count}>{value}{f'<small>{interval}</small>' if interval else ''}</td>"


def _figure(report: Report, plot: Plot) -> str:
    number = report.plots.index(plot)
    drawn = plot.figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"plot{number}",
        config={"displaylogo": False},
    )
    return f"<figure>{drawn}<figcaption>{escape(plot.caption)}</figcaption></figure>"
