"""The HTML page of an evaluation: one file without network, scripts or fonts of its own, made to be printed, too.

Pictures are drawn by matplotlib as SVG (the extra `[html]`) and stand in the page as data.
"""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from kafka_meta.plan import plural
from kafka_meta.render import size, visible
from kafka_meta.render.recommendation import (
    ConstraintRow,
    alternative_rows,
    constraint_rows,
    incomplete_rows,
    missing_words,
    needs_rows,
    offers,
    old_catalogues,
    policy_rows,
    price_rows,
    price_words,
    quantity_rows,
    remark_rows,
    survey_verdict,
    verdict,
)
from kafka_meta.render.sizing import host_rows

Document = Mapping[str, Any]

TOPICS_SHOWN = 15
OTHERS_SHOWN = 6
BROKERS_SHOWN = 60
_INK, _DIM, _WRITE, _READ, _PART = "#1f2933", "#8896a5", "#2563a8", "#d9822b", "#9db8d6"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the browser's own font
    "svg.hashsalt": "kafka-meta",
    "font.family": "sans-serif",
    "font.size": 10.0,
    "text.color": _INK,
    "text.parse_math": False,  # a $ in a name is a $
    "axes.edgecolor": _DIM,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": "#e4e9ef",
    "legend.frameon": False,
    "date.converter": "concise",
}

_CSS = """
:root { color-scheme: light }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #1f2933;
       max-width: 62rem; margin: 2rem auto; padding: 0 1.5rem; overflow-wrap: break-word }
h1 { font-size: 1.7rem; margin: 0 0 .2rem } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem }
.dim { color: #5b6b7b } .choice { border: 1px solid #cbd5df; border-left: 6px solid #2563a8; padding: .8rem 1.2rem }
.choice.incomplete { border-left-color: #d9822b } .choice.none { border-left-color: #c2410c }
.choice p { margin: 0 0 .4rem } .choice p:first-child { font-size: 1.1rem; font-weight: 600 }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #e4e9ef; vertical-align: top }
th { font-weight: 600 } .n { text-align: right; white-space: nowrap } .day { white-space: nowrap }
td.any { overflow-wrap: anywhere }
.bar { display: block; width: 9rem; height: .7rem; margin-top: .4rem; background: #e4e9ef }
.bar i { display: block; height: 100%; background: #2563a8 } .bar i.most { background: #c2410c }
.bar, .bar i { print-color-adjust: exact; -webkit-print-color-adjust: exact }
img { width: 100%; height: auto; display: block }
figure { margin: 1rem 0; break-inside: avoid; overflow-x: auto } figcaption { color: #5b6b7b; font-size: .9rem }
ul.warnings { padding-left: 1.2rem } tr, li, .choice { break-inside: avoid } h2, h3, h2 + p { break-after: avoid }
details > summary { cursor: pointer; margin: .8rem 0; color: #2563a8 }
@media screen and (max-width: 44rem) {
  body { margin: 1rem auto; padding: 0 .8rem } .choice { padding: .6rem .8rem } img { min-width: 34rem }
  thead { display: none } table, tbody, tr, td { display: block; width: 100% }
  tr { padding: .4rem 0; border-bottom: 1px solid #cbd5df } td { border: 0; padding: .05rem 0 }
  td:empty { display: none } td:first-child { font-weight: 600 }
  td[data-of]:not([data-of=""])::before { content: attr(data-of) ": "; color: #5b6b7b }
  .n { text-align: left; white-space: normal } .bar { width: 100% }
}
@media print { body { margin: 0; max-width: none; padding: 0; font-size: 10pt } details:not([open]) { display: none }
  @page { margin: 14mm } }
"""


def page(
    documents: Sequence[Document], refused: Sequence[Document], stats: Document | None, *, subject: str, created: str
) -> str:
    """HTML of recommendations: of one, every step; of several, side by side, with the steps folded away. `refused` are
    the catalogues that could not be compared; `stats` is of the metadata file, if there was one.

    `subject` says what was evaluated (a file and its cluster, or the answers given), `created` when and by what.
    """
    several = len(documents) + len(refused) > 1 or bool(refused)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        # Even a name that got past the escaping could load and run nothing.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">",
        f"<title>kafka-meta: what to buy for {_text(subject)}</title><style>{_CSS}</style></head><body>",
        "<h1>What to buy</h1>",
        f'<p class="dim">{_text(subject)}<br>{_text(created)}</p>',
    ]
    if several:
        parts += _comparison(documents, refused)
    for document in documents:
        parts += _recommendation(document, folded=several)
    if documents:
        needs = _table(("need", "value", "where it comes from"), list(needs_rows(documents[0]["needs"])))
        parts += ["<h2>What it has to carry</h2>", needs]
    if stats is not None:
        parts += _statistics(stats)
    return "\n".join([*parts, "</body></html>", ""])


class _Html(str):
    """Already escaped."""


def _text(value: object) -> str:
    return value if isinstance(value, _Html) else escape(visible(str(value)))


def _table(head: Sequence[str], rows: Sequence[Sequence[object]], kinds: Mapping[int, str] | None = None) -> str:
    """`kinds` by column: "n" a number, set to the right; "day", not broken; "any", broken anywhere. On a narrow screen
    each row becomes a block, and every cell says what it is of."""

    def kind(column: int) -> str:
        return f" class={kinds[column]}" if kinds and column in kinds else ""

    names = "".join(f"<th{kind(column)}>{_text(name)}</th>" for column, name in enumerate(head))
    body = ""
    for row in rows:
        cells = (
            f'<td{kind(column)} data-of="{_text(head[column]) if column else ""}">{_text(cell)}</td>'
            for column, cell in enumerate(row)
        )
        body += f"<tr>{''.join(cells)}</tr>"
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _comparison(documents: Sequence[Document], refused: Sequence[Document]) -> list[str]:
    marks = {"+": "", "?": " (incomplete)", "×": "", "·": ""}
    rows = [
        (offer.vendor, f"{offer.what}{marks[offer.mark]}", offer.price, offer.why)
        for offer in offers(documents, refused)
    ]
    told = "".join(f"<p>{_text(sentence)}</p>" for sentence in survey_verdict(documents))
    remarks = list(incomplete_rows(documents))
    if old := old_catalogues(documents):
        remarks.append(("catalogues more than a year old", f"{old}; check figures and prices"))
    head = ("vendor", "specification", "a month", "limit used most, or why not")
    return [f'<div class="choice">{told}</div>', _table(head, rows), _list(remarks)]


def _recommendation(document: Document, *, folded: bool) -> list[str]:
    told = "".join(f"<p>{_text(sentence)}</p>" for sentence in verdict(document))
    choice = document["recommendation"]
    kind = " none" if choice is None else "" if document["complete"] else " incomplete"
    origin = f"catalogue of {document['catalogVersion']}, policy {document['policy']}"
    if choice is not None and not document["complete"]:
        origin += f"; incomplete, not known: {missing_words(document)}"
    parts = [
        f"<h2>{_text(document['title'])}</h2>",
        f'<p class="dim">{_text(origin)}</p>',
        f'<div class="choice{kind}">{told}</div>',
    ]
    steps = _steps(document)
    return [*parts, "<details><summary>Every step</summary>", *steps, "</details>"] if folded else [*parts, *steps]


def _steps(document: Document) -> list[str]:
    choice = document["recommendation"]
    parts = []
    if choice is not None:
        parts += ["<h3>What to choose</h3>", _table(("", ""), list(quantity_rows(choice)))]
        rows = [
            (row.name, _bar(row), row.percent, row.numbers, row.why, row.source) for row in constraint_rows(document)
        ]
        head = ("limit", "", "used", "need and capacity", "why", "source")
        parts += ["<h3>How full that is</h3>", _table(head, rows, {2: "n"})]
        lines = [(row.item, row.calculation, row.amount, row.as_of) for row in price_rows(choice)]
        if lines:
            lines.append(("all of it, a month", "", price_words(choice), ""))
            head_ = ("item", "calculation", "amount", "price of")
            parts += ["<h3>What that costs</h3>", _table(head_, lines, {2: "n", 3: "day"})]
    if document["otherPolicies"]:
        policies = [row[1:] for row in policy_rows(document)]
        parts += [
            "<h3>Under other policies</h3>",
            _table(("policy", "asks for", "specification", "a month"), policies),
        ]
    named = [each for each in document["alternatives"] if each["role"] != "other"]
    named += [each for each in document["alternatives"] if each["role"] == "other"][: OTHERS_SHOWN - len(named)]
    if named:
        others = [(row.what, row.role, row.price, row.why) for row in alternative_rows(named)]
        parts += ["<h3>What else there is</h3>", _table(("specification", "", "a month", "what of it"), others)]
    remarks = [*remark_rows(document), *(("", note) for note in document["notes"])]
    if remarks:
        parts += ["<h3>To keep in mind</h3>", _list(remarks)]
    sources = [(each["title"], each["url"], each["asOf"]) for each in document["sources"].values()]
    if sources:
        parts += ["<h3>Sources</h3>", _table(("title", "address", "as of"), sources, {1: "any", 2: "day"})]
    return parts


def _bar(row: ConstraintRow) -> _Html:
    if row.share is None:
        return _Html("")
    most = " class=most" if row.used_most else ""
    return _Html(f'<span class=bar><i{most} style="width:{min(row.share, 1):.1%}"></i></span>')


def _list(remarks: Sequence[tuple[str, str]]) -> str:
    items = "".join(
        f"<li>{f'<b>{_text(subject)}</b>: ' if subject else ''}{_text(reason)}</li>" for subject, reason in remarks
    )
    return f'<ul class="warnings">{items}</ul>' if items else ""


def _statistics(stats: Document) -> list[str]:
    parts = ["<h2>What was measured</h2>", f'<p class="dim">collected {_text(stats["collectedAt"])}</p>']
    hours = [hour for hour in stats.get("hours") or () if hour.get("messages") is not None]
    parts.append(_rates(stats, hours) if hours else "<p>Rates of past hours are not known.</p>")
    if topics := [topic for topic in stats.get("largestTopics") or () if topic.get("sizeBytes")]:
        parts.append(_topics(topics[:TOPICS_SHOWN]))
    if brokers := [broker for broker in stats.get("brokers") or () if broker.get("replicas") is not None]:
        parts.append(_brokers(brokers))
    if stats.get("host"):
        parts += [
            "<h3>The broker's machine that it was measured on</h3>",
            _table(("", ""), list(host_rows(stats["host"]))),
        ]
    gaps = _list([(gap["resource"], gap["reason"]) for gap in stats.get("gaps") or ()])
    if gaps:
        parts += ["<h3>What could not be measured</h3>", gaps]
    return parts


def _picture(draw: Callable[[Any], None], height: float, caption: str) -> str:
    """`draw` gets matplotlib's axes; `height` in inches, where the width is 9."""
    svg = io.BytesIO()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # Glyphs that matplotlib's own font lacks: the browser has them.
        warnings.simplefilter("ignore")
        figure = Figure(figsize=(9, height), layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(svg, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    data = base64.b64encode(svg.getvalue()).decode()
    return (
        f'<figure><img alt="{_text(caption)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


def _rates(stats: Document, hours: Sequence[Document]) -> str:
    """MB/s by hour where it is known, else messages a second. An hour that is not known has no bar and no line."""
    in_bytes = all(hour.get("write") is not None for hour in hours)
    known = {datetime.fromisoformat(hour["start"]): hour for hour in hours}
    first, last = min(known), max(known)
    times = [first + timedelta(hours=number) for number in range(round((last - first) / timedelta(hours=1)) + 1)]
    values = [_value(known.get(time), "write" if in_bytes else "messages") for time in times]
    reads = [_value(known.get(time), "read") for time in times]
    fan_out = _fan_out(stats)
    caption = f"Write rate by hour ({'MB/s' if in_bytes else 'messages a second'}, UTC), before replication"
    label = None
    if in_bytes and not all(map(math.isnan, reads)):
        label, caption = "read", f"{caption}, and read rate."
    elif in_bytes and fan_out is not None:
        label, reads = "read, derived", [value * fan_out for value in values]
        caption += f"; read rate derived from it: {fan_out:.2f} × as in the live sample."
    else:
        caption += "; how much is read by hour is not known."
    if missing := sum(map(math.isnan, values)):
        caption += f" {plural(missing, 'hour')} between them {'is' if missing == 1 else 'are'} not known."

    def draw(axes: Any) -> None:
        axes.bar(times, values, width=timedelta(hours=1), align="edge", color=_WRITE, label="write")
        if label is not None:
            ends = [*times, times[-1] + timedelta(hours=1)]
            line = "-" if label == "read" else "--"
            axes.step(ends, [*reads, reads[-1]], where="post", color=_READ, linestyle=line, label=label)
            axes.legend(loc="upper left")
        axes.set_xlabel("hour, UTC")
        axes.set_ylabel("MB/s" if in_bytes else "messages/s")
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")

    return _picture(draw, 3.2, caption)


def _value(hour: Document | None, name: str) -> float:
    """NaN, which matplotlib leaves out, where it is not known."""
    value = None if hour is None else hour.get(name)
    return math.nan if value is None else float(value)


def _fan_out(stats: Document) -> float | None:
    """Read ÷ write over the same window."""
    figures = stats.get("figures") or {}
    reads = {each["window"]: each["value"] for each in figures.get("read") or () if each["stat"] == "mean"}
    for each in figures.get("write") or ():
        if each["stat"] == "mean" and each["value"] and each["window"] in reads:
            return float(reads[each["window"]] / each["value"])
    return None


def _short(name: str, most: int = 42) -> str:
    text = visible(name)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _topics(topics: Sequence[Document]) -> str:
    sizes = [topic["sizeBytes"] for topic in topics]

    def draw(axes: Any) -> None:
        bars = axes.barh(range(len(topics)), sizes, color=_WRITE, height=0.7)
        axes.bar_label(bars, [_topic_words(topic) for topic in topics], padding=4, fontsize=9)
        axes.set_yticks(range(len(topics)), [_short(topic["topic"]) for topic in topics])
        axes.invert_yaxis()
        axes.set_xlim(0, max(sizes) * 1.35)
        axes.xaxis.set_major_formatter(lambda value, _: size(value))
        axes.grid(axis="x")

    return _picture(draw, 0.9 + 0.3 * len(topics), "The largest topics: one copy, as the leaders hold it.")


def _topic_words(topic: Document) -> str:
    flags = topic.get("flags") or ()
    return f"{size(topic['sizeBytes'])}{' · ' if flags else ''}{', '.join(flags)}"


def _brokers(brokers: Sequence[Document]) -> str:
    shown = brokers[:BROKERS_SHOWN]
    told = [broker for broker in shown if broker.get("leaders") is not None]
    caption = "Partitions over brokers: those that a broker leads, and those that it follows."
    if len(told) < len(shown):
        caption = "Replicas over brokers; who leads them is not known."
    if len(brokers) > len(shown):
        caption += f" {len(brokers) - len(shown):,} more brokers are not shown."

    def draw(axes: Any) -> None:
        places, replicas = range(len(shown)), [broker["replicas"] for broker in shown]
        bars = axes.bar(places, replicas, color=_PART, width=0.7, label="follows")
        if len(told) == len(shown):
            axes.bar(places, [broker["leaders"] for broker in shown], color=_WRITE, width=0.7, label="leads")
            axes.legend(loc="lower right", ncols=2, bbox_to_anchor=(1, 1))
        if len(shown) <= TOPICS_SHOWN:
            axes.bar_label(bars, [f"{count:,}" for count in replicas], padding=2, fontsize=9)
        upright = 90 if len(shown) > TOPICS_SHOWN else 0
        axes.set_xticks(places, [str(broker["id"]) for broker in shown], rotation=upright, fontsize=9)
        axes.set_xlabel("broker")
        axes.set_ylabel("partitions")
        axes.grid(axis="y")

    return _picture(draw, 3.0, caption)
