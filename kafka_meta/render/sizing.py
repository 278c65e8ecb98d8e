"""A recommendation, as its document has it, → lines with bars. Statistics → the lines that export shows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from kafka_meta.plan import plural
from kafka_meta.render.recommendation import (
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
from kafka_meta.render.words import size, visible

Document = Mapping[str, Any]

BAR_WIDTH = 20
_EIGHTHS = "▏▎▍▌▋▊▉"
_OTHERS = 5


def stats_lines(stats: Document, known_gaps: Collection[str] = ()) -> list[str]:
    """What statistics an export has collected, and what is missing for sizing; `known_gaps` have been shown before."""
    figures = stats.get("figures") or {}
    told = [f"{name} {_best(figures[name])}" for name in ("write", "read", "messages") if figures.get(name)]
    hours = len(stats.get("hours") or ())
    details = [*told, f"{plural(hours, 'hour')} of the past week" if hours else "nothing of the past hours"]
    details += [] if figures.get("read") else ["reading is not known (--sample 60s)"]
    lines = [f"  {'':>7} {'rates':<8}{'; '.join(details)}"]
    if stats.get("host"):
        lines.append(
            f"  {'':>7} {'machine':<8}{'; '.join(f'{name} {value}' for name, value in host_rows(stats['host']))}"
        )
    gaps = [gap for gap in stats.get("gaps") or () if gap["resource"] not in ("read", *known_gaps)]
    if gaps:
        lines.append("  ! not measured")
    return lines + [f"      {visible(gap['resource'])}: {visible(gap['reason'])}" for gap in gaps]


def host_rows(host: Document) -> Iterator[tuple[str, str]]:
    """What is known of a broker's machine."""
    if host.get("cores") is not None:
        yield "cores", f"{host['cores']:,}"
    if host.get("memoryBytes") is not None:
        yield "memory", size(host["memoryBytes"])
    for volume in host.get("volumes") or ():
        kind = {True: "SSD ", False: "rotating disk ", None: ""}[volume.get("ssd")]
        total, usable = (
            None if volume.get(name) is None else size(volume[name]) for name in ("totalBytes", "usableBytes")
        )
        yield f"volume {visible(volume['path'])}", f"{kind}{total or '?'}, {usable or '?'} free"
    if host.get("networkMbps") is not None:
        yield "network", f"{host['networkMbps']:,} Mbit/s"
    if history := host.get("history"):
        busy = history.get("cpuBusyMaxPercent")
        yield (
            f"at most, says {history['tool']} of {history['from']} to {history['to']}",
            f"{history['receivedMaxMBps']:,.4g} MB/s received, {history['sentMaxMBps']:,.4g} MB/s sent"
            + ("" if busy is None else f", processors {busy:.0f} % busy"),
        )


def _best(figures: Sequence[Document]) -> str:
    peaks = [each for each in figures if each["stat"] in ("max", "hourly max")] or list(figures)
    most = max(peaks, key=lambda each: float(each["value"]))
    return f"{_with_unit(most['value'], most['unit'])} ({most['stat']})"


def recommendation_lines(document: Document, *, verbose: bool) -> list[str]:
    """One vendor: what to buy and why, what it has to carry, how full that would be, what else there is, what to
    doubt."""
    title = f"{visible(document['title'])}, catalogue of {document['catalogVersion']}, policy {document['policy']}"
    lines = [title, "", *(f"  {visible(sentence)}" for sentence in verdict(document)), "", "  needs"]
    lines += [
        f"      {name:<22} {visible(value):<14} {visible(how)}" for name, value, how in needs_rows(document["needs"])
    ]
    choice = document["recommendation"]
    lines.append("")
    if choice is None:
        lines.append("  × nothing of this catalogue carries that")
    else:
        mark = "+" if document["complete"] else "?"
        incomplete = "" if document["complete"] else f"   INCOMPLETE: not known: {missing_words(document)}"
        lines.append(f"  {mark} {visible(choice['editionTitle'])}, {visible(choice['spec'])}{incomplete}")
        lines += [f"      {name:<22} {visible(value)}" for name, value in quantity_rows(choice)]
        lines += ["", *_prices(choice)]
        lines += ["", "  how full that is", *_constraints(document)]
    lines += _other_policies(document)
    lines += _alternatives(document, verbose)
    remarks = [f"  ! {visible(subject)}: {visible(reason)}" for subject, reason in remark_rows(document)]
    notes = [f"  · {visible(note)}" for note in document["notes"]]
    return [*lines, *([""] if remarks else []), *remarks, *notes]


def comparison_lines(documents: Sequence[Document], refused: Sequence[Document] = ()) -> list[str]:
    """All vendors side by side: a line each, what that comes to, then what to doubt."""
    rows = [("", "vendor", "specification", "a month", "limit used most"), *offers(documents, refused)]
    widths = [max(len(visible(row[column])) for row in rows) for column in range(4)]
    lines = []
    for row in rows:
        cells = [f"{visible(cell):<{width}}" for cell, width in zip(row, widths, strict=False)]
        lines.append(f"  {'  '.join([*cells, visible(row[4])])}".rstrip())
    lines += ["", *(f"  {visible(sentence)}" for sentence in survey_verdict(documents))]
    incomplete = list(incomplete_rows(documents))
    if incomplete:
        lines += ["", "  ? incomplete, because this is not known:"]
        lines += [f"  ! {visible(subject)}: {visible(reason)}" for subject, reason in incomplete]
    old = old_catalogues(documents)
    if old:
        lines += ["", f"  ! catalogues more than a year old: {visible(old)}; check figures and prices"]
    return lines


def bar(utilisation: float | None, width: int = BAR_WIDTH) -> str:
    """`██████▌             `: full at 100 %."""
    if utilisation is None:
        return "·" * width
    eighths = round(min(1.0, max(0.0, utilisation)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest - 1] if rest else "")).ljust(width)


def _prices(choice: Document) -> Iterator[str]:
    if choice["monthlyPrice"] is None:
        yield "  · the price is not in this catalogue"
    else:
        yield f"  {price_words(choice)} a month" + ("" if choice["priceIsComplete"] else ", of which not all is known")
    for row in price_rows(choice):
        yield f"      {row.amount:>12}  {visible(row.item)}: {visible(row.calculation)} (price of {row.as_of})"


def _constraints(document: Document) -> Iterator[str]:
    for row in constraint_rows(document):
        most = "   ← used most" if row.used_most else ""
        yield (f"  {row.mark} {visible(row.name):<16} {bar(row.share)} {row.percent:>5}  {visible(row.numbers)}{most}")
        yield f"      {visible(row.why)}{f'; {visible(row.source)}' if row.source else ''}"


def _other_policies(document: Document) -> Iterator[str]:
    if document["otherPolicies"]:
        yield ""
        yield "  under other policies"
    for mark, policy, asks, what, price in policy_rows(document):
        yield f"  {mark} {visible(policy):<8} {asks}: {visible(what)}{f', {price}' if price else ''}"


def _alternatives(document: Document, verbose: bool) -> Iterator[str]:
    found = document["alternatives"]
    if not found:
        return
    named = [each for each in found if each["role"] != "other"]
    others = [each for each in found if each["role"] == "other"]
    shown = named + (others if verbose else others[: max(0, _OTHERS - len(named))])
    yield ""
    yield "  what else there is"
    for row in alternative_rows(shown):
        role = f"{row.role}: " if row.role else ""
        price = f", {row.price}" if row.price else ""
        yield f"  {row.mark} {role}{visible(row.what)}{price}: {visible(row.why)}"
    if len(found) > len(shown):
        yield f"      … {len(found) - len(shown):,} more (--verbose, or --output json)"


def _with_unit(value: float, unit: str) -> str:
    return size(value) if unit == "B" else f"{value:,.4g} {unit}"
