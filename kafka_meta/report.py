"""The HTML page of an evaluation: one file without network, scripts or fonts of its own, made to be printed, too.

Pictures are drawn by matplotlib as SVG (the extra `[html]`) and stand in the page as data.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from kafka_meta.render import size, visible
from kafka_meta.render.sizing import (
    binding_words,
    constraint_numbers,
    host_rows,
    needs_rows,
    policy_rows,
    price_words,
    purchase_words,
    quantity_rows,
)

Document = Mapping[str, Any]

TOPICS_SHOWN = 15
BROKERS_SHOWN = 60
_INK, _DIM, _WRITE, _READ, _FULL, _PART = "#1f2933", "#8896a5", "#2563a8", "#d9822b", "#c2410c", "#9db8d6"
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
       max-width: 60rem; margin: 2rem auto; padding: 0 1.5rem }
h1 { font-size: 1.7rem; margin: 0 0 .2rem } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem }
.dim { color: #5b6b7b } .choice { border: 1px solid #cbd5df; border-left: 6px solid #2563a8; padding: .8rem 1.2rem }
.choice.incomplete { border-left-color: #d9822b } .choice.none { border-left-color: #c2410c }
.choice b { font-size: 1.15rem } table { border-collapse: collapse; width: 100%; margin: .4rem 0 }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #e4e9ef; vertical-align: top }
th { font-weight: 600 } .n { text-align: right; white-space: nowrap }
img { width: 100%; height: auto; display: block }
figure { margin: 1rem 0; break-inside: avoid } figcaption { color: #5b6b7b; font-size: .9rem }
ul.warnings { padding-left: 1.2rem } tr, li, .choice { break-inside: avoid } h2, h3 { break-after: avoid }
td, li { overflow-wrap: break-word } .sources td { overflow-wrap: anywhere }
.sources td:first-child, .sources td:last-child { white-space: nowrap }
@media print { body { margin: 0; max-width: none; padding: 0; font-size: 11pt } a { color: inherit }
  @page { margin: 16mm } }
"""


def page(
    documents: Sequence[Document], compared: Sequence[Document], stats: Document | None, *, subject: str, created: str
) -> str:
    """HTML of recommendations with every step, and of those that are `compared` side by side, if any; `stats` of the
    metadata file, if there was one.

    `subject` says what was evaluated (a file and its cluster, or the answers given), `created` when and by what.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        # Even a name that got past the escaping could load and run nothing.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">",
        f"<title>kafka-meta: what to buy for {_text(subject)}</title><style>{_CSS}</style></head><body>",
        "<h1>What this cluster needs</h1>",
        f'<p class="dim">{_text(subject)}<br>{_text(created)}</p>',
    ]
    if compared:
        parts += ["<h2>Vendors side by side</h2>", _comparison(compared)]
    for document in documents:
        parts += _recommendation(document)
    parts += ["<h2>What it has to carry</h2>", _needs(documents[0])]
    if stats is not None:
        parts += _statistics(stats)
    return "\n".join([*parts, "</body></html>", ""])


def _text(value: object) -> str:
    return escape(visible(str(value)))


def _table(head: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[int] = (), css: str = "") -> str:
    def cells(tag: str, row: Sequence[object]) -> str:
        marked = (f"<{tag}{' class=n' if i in numbers else ''}>{_text(cell)}</{tag}>" for i, cell in enumerate(row))
        return f"<tr>{''.join(marked)}</tr>"

    kind = f" class={css}" if css else ""
    body = "".join(cells("td", row) for row in rows)
    return f"<table{kind}><thead>{cells('th', head)}</thead><tbody>{body}</tbody></table>"


def _comparison(documents: Sequence[Document]) -> str:
    rows = []
    for document in documents:
        choice = document["recommendation"]
        if choice is None:
            rows.append((document["title"], "nothing carries the needs", "", ""))
        else:
            spec = f"{choice['edition']}, {purchase_words(choice)}{'' if document['complete'] else ' (incomplete)'}"
            rows.append((document["title"], spec, price_words(choice), binding_words(document)))
    return _table(("vendor", "specification", "a month", "binding"), rows)


def _recommendation(document: Document) -> list[str]:
    choice = document["recommendation"]
    heading = f"<h2>{_text(document['title'])}</h2>"
    origin = f'<p class="dim">catalogue of {_text(document["catalogVersion"])}, policy {_text(document["policy"])}</p>'
    warned = _warnings(document["warnings"], document["notes"])
    if choice is None:
        return [heading, origin, '<div class="choice none"><b>Nothing of this catalogue carries it.</b></div>', warned]
    kind = "" if document["complete"] else " incomplete"
    missing = "" if document["complete"] else f"<br>Incomplete: not known are {_text(', '.join(document['missing']))}."
    bought = "".join(f"<tr><td>{_text(name)}</td><td>{_text(value)}</td></tr>" for name, value in quantity_rows(choice))
    parts = [
        heading,
        origin,
        f'<div class="choice{kind}"><b>{_text(choice["editionTitle"])}: {_text(choice["spec"])}</b><br>'
        f"{_text(_monthly(choice))}{missing}<table>{bought}</table></div>",
        "<h3>How full that is</h3>",
        _utilisation(document),
        _table(
            ("constraint", "need and capacity", "why", "source"),
            [
                (
                    each["name"],
                    constraint_numbers(each),
                    each["why"],
                    f"{each['source']}, {each['asOf']}" if each["source"] else "",
                )
                for each in document["constraints"]
            ],
        ),
    ]
    if choice["prices"]:
        rows = [
            (
                line["item"],
                "?" if line["quantity"] is None else f"{line['quantity']:,g}",
                "not known" if line["unitPrice"] is None else f"{line['unitPrice']:g}",
                "not known" if line["amount"] is None else f"{line['amount']:,.2f}",
                line["asOf"],
            )
            for line in choice["prices"]
        ]
        parts += [
            "<h3>Price lines</h3>",
            _table(("item", "quantity", "price", document["currency"] or "", "of"), rows, (1, 2, 3)),
        ]
    if document["otherPolicies"]:
        head = ("", "", "specification", "a month")
        parts += ["<h3>Under other policies</h3>", _table(head, list(policy_rows(document["otherPolicies"])))]
    named = [each for each in document["alternatives"] if each["role"] != "other"]
    if named:
        rows_ = [(each["role"], each["spec"], price_words(each), "; ".join(each["reasons"])) for each in named]
        parts += ["<h3>What else there is</h3>", _table(("", "specification", "a month", "why not"), rows_)]
    sources = [(name, each["title"], each["url"], each["asOf"]) for name, each in document["sources"].items()]
    parts += [warned, "<h3>Sources</h3>", _table(("", "title", "address", "as of"), sources, css="sources")]
    return parts


def _monthly(choice: Document) -> str:
    return price_words(choice) + ("" if choice["monthlyPrice"] is None else ", a month")


def _warnings(found: Sequence[Document], notes: Sequence[str]) -> str:
    items = "".join(f"<li><b>{_text(each['resource'])}</b>: {_text(each['reason'])}</li>" for each in found)
    items += "".join(f"<li>{_text(note)}</li>" for note in notes)
    return f'<h3>To keep in mind</h3><ul class="warnings">{items}</ul>' if items else ""


def _needs(document: Document) -> str:
    return _table(("", "value", "how it was come by"), list(needs_rows(document["needs"])))


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
            _table(("", "value"), list(host_rows(stats["host"]))),
        ]
    gaps = "".join(f"<li><b>{_text(g['resource'])}</b>: {_text(g['reason'])}</li>" for g in stats.get("gaps") or ())
    if gaps:
        parts.append(f'<h3>What could not be measured</h3><ul class="warnings">{gaps}</ul>')
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
    """MB/s by hour where it is known, else messages a second."""
    in_bytes = all(hour.get("write") is not None for hour in hours)
    times = [datetime.fromisoformat(hour["start"]) for hour in hours]
    values = [hour["write"] if in_bytes else hour["messages"] for hour in hours]
    reads = [hour.get("read") for hour in hours]
    fan_out = _fan_out(stats)
    caption = f"Write rate by hour ({'MB/s' if in_bytes else 'messages a second'}, UTC), before replication"
    label = None
    if in_bytes and any(read is not None for read in reads):
        label, caption = "read", f"{caption}, and read rate."
    elif in_bytes and fan_out is not None:
        label, reads = "read, derived", [value * fan_out for value in values]
        caption += f"; read rate derived from it: {fan_out:.2f} × as in the live sample."
    else:
        caption += "; how much is read by hour is not known."

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


def _utilisation(document: Document) -> str:
    known = [each for each in document["constraints"] if each["utilisation"] is not None]
    shares = [min(each["utilisation"], 1.5) * 100 for each in known]
    words = [f"{each['utilisation']:.0%}{' binding' if each['name'] == document['binding'] else ''}" for each in known]

    def draw(axes: Any) -> None:
        axes.axvline(100, color=_INK, linewidth=1)
        colours = [_FULL if each["name"] == document["binding"] else _WRITE for each in known]
        bars = axes.barh(range(len(known)), shares, color=colours, height=0.65)
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axes.bar_label(bars, words, padding=5, fontsize=9, bbox=behind)
        axes.set_yticks(range(len(known)), [each["name"] for each in known])
        axes.invert_yaxis()
        axes.set_xlim(0, max(125.0, *shares) * 1.1 if shares else 125)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} %")
        axes.grid(axis="x")

    return _picture(draw, 0.8 + 0.32 * max(1, len(known)), "Need as a share of capacity, by constraint.")
