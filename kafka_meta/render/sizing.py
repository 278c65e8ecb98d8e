"""A recommendation, as its document has it, → lines with bars. Statistics → the lines that export shows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from kafka_meta.plan import plural
from kafka_meta.render.documents import size, visible

Document = Mapping[str, Any]

BAR_WIDTH = 20
_EIGHTHS = "▏▎▍▌▋▊▉"
_NAMES = {"averageWrite": "average write", "publicTraffic": "public traffic", "largestMessage": "largest message",
          "dataReplicated": "data, all copies", "replicationFactor": "replication factor", "serverVersion": "version",
          "unlimitedRetentionTopics": "topics kept for ever", "idcMigration": "IDC migration", "ssd": "SSD",
          "acls": "ACLs"}  # fmt: skip
_OTHERS = 5
_POLICY_WORDS = {
    "minimal": "just enough",
    "vendor": "30 % above the peak, as vendors advise",
    "safe": "only so full as it runs well",
}


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
            f"{_amount(history['receivedMaxMBps'], 'MB/s')} received, {_amount(history['sentMaxMBps'], 'MB/s')} sent"
            + ("" if busy is None else f", processors {busy:.0f} % busy"),
        )


def _best(figures: Sequence[Document]) -> str:
    peaks = [each for each in figures if each["stat"] in ("max", "hourly max")] or list(figures)
    most = max(peaks, key=lambda each: float(each["value"]))
    return f"{_amount(most['value'], most['unit'])} ({most['stat']})"


def recommendation_lines(document: Document, *, verbose: bool) -> list[str]:
    """One vendor: what it has to carry, what to buy, how full that would be, what else there is, what to doubt."""
    title = f"{visible(document['title'])}, catalogue of {document['catalogVersion']}, policy {document['policy']}"
    lines = [title, "", "  needs", *_needs(document["needs"]), ""]
    choice = document["recommendation"]
    if choice is None:
        lines.append("  × nothing of this catalogue carries that")
    else:
        mark = "+" if document["complete"] else "?"
        incomplete = "" if document["complete"] else f"   INCOMPLETE: not known: {_missing(document)}"
        lines.append(f"  {mark} {visible(choice['editionTitle'])}, {visible(choice['spec'])}{incomplete}")
        lines += [f"      {name:<22} {visible(value)}" for name, value in quantity_rows(choice)]
        lines += ["", *_prices(choice)]
        lines += ["", "  how full that is", *_constraints(document)]
    lines += _other_policies(document["otherPolicies"])
    notes = [f"  · {visible(note)}" for note in document["notes"]]
    return [*lines, *_alternatives(document, verbose), *_warnings(document["warnings"]), *notes]


def comparison_lines(documents: Sequence[Document], refused: Sequence[Document] = ()) -> list[str]:
    """All vendors side by side: a line each, then what to doubt of each."""
    rows = [("", "vendor", "specification", "a month", "binding")]
    for document in documents:
        choice = document["recommendation"]
        if choice is None:
            rows.append(("×", document["provider"], "nothing carries the needs", "", ""))
            continue
        rows.append(
            (
                "+" if document["complete"] else "?",
                document["provider"],
                f"{choice['edition']}, {purchase_words(choice)}",
                price_words(choice),
                binding_words(document),
            )
        )
    widths = [max(len(visible(row[column])) for row in rows) for column in range(5)]
    lines = [
        "  " + "  ".join(f"{visible(cell):<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    incomplete = next((document for document in documents if not document["complete"]), None)
    if incomplete is not None:
        lines += ["", f"  ? incomplete, not known: {_missing(incomplete)}"]
        lines += [_remark(each) for each in incomplete["warnings"] if each["resource"] in incomplete["missing"]]
    failed = [document for document in documents if document["recommendation"] is None]
    said = [_remark(each) for document in failed for each in document["warnings"] if _is_failure(document, each)]
    said += [f"  × {visible(each['provider'])}: {visible(each['message'])}" for each in refused]
    stale = [f"{d['provider']} {d['catalogVersion']}" for d in documents if _is_stale(d)]
    if stale:
        said.append(f"  ! catalogues more than a year old: {visible(', '.join(stale))}; check figures and prices")
    return [*lines, "", *said] if said else lines


def _is_failure(document: Document, warning: Document) -> bool:
    return bool(warning["resource"] == document["provider"] and "nearest is" in warning["reason"])


def _is_stale(document: Document) -> bool:
    return any("more than a year old" in warning["reason"] for warning in document["warnings"])


def bar(utilisation: float | None, width: int = BAR_WIDTH) -> str:
    """`██████▌             `: full at 100 %."""
    if utilisation is None:
        return "·" * width
    eighths = round(min(1.0, max(0.0, utilisation)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest - 1] if rest else "")).ljust(width)


def needs_rows(needs: Document) -> Iterator[tuple[str, str, str]]:
    """Name, value and how it was come by, of every need that is known."""
    for name, need in needs.items():
        if need is None or name == "features":
            continue
        value, how = need["value"], need["method"]
        if "unit" in need:
            window = f" of {need['window']}" if need["window"] else ""
            stat = "" if need["stat"] in ("last", "total") else f", {need['stat']}{window}"
            value, how = _amount(value, need["unit"]), f"{how}{stat}; confidence {need['confidence']}"
        yield _NAMES.get(name, name), str(value), str(how)
    used = [name for name, in_use in (needs.get("features") or {}).items() if in_use]
    if used:
        yield "features in use", ", ".join(used), "measured"


def _needs(needs: Document) -> Iterator[str]:
    for name, value, how in needs_rows(needs):
        yield f"      {name:<22} {visible(value):<14} {visible(how)}"


def _missing(document: Document) -> str:
    return ", ".join(_NAMES.get(name, name) for name in document["missing"])


def quantity_rows(choice: Document) -> Iterator[tuple[str, str]]:
    """What to choose and to buy."""
    for name, quantity in choice["quantities"].items():
        if quantity["value"] is not None:
            yield _words(name), _amount(quantity["value"], quantity["unit"])


def binding_words(document: Document) -> str:
    """`write 52%`."""
    binding = next((each for each in document["constraints"] if each["name"] == document["binding"]), None)
    return "" if binding is None else f"{binding['name']} {_percent(binding['utilisation'])}"


def purchase_words(choice: Document) -> str:
    """`3 × kafka.m7g.large`: of whatever is bought several times."""
    for name in ("broker", "eCKU", "vCPU", "cluster"):
        quantity = choice["quantities"].get(name)
        if quantity is not None and isinstance(quantity["value"], int | float):
            what = choice["spec"] if name in ("broker", "cluster") else name
            return f"{quantity['value']:,} × {what}"
    return str(choice["spec"])


def price_words(choice: Document) -> str:
    if choice["monthlyPrice"] is None:
        return "price not published"
    return f"{choice['currency']} {choice['monthlyPrice']:,.2f}{'' if choice['priceIsComplete'] else ' and more'}"


def _prices(choice: Document) -> Iterator[str]:
    if choice["monthlyPrice"] is None:
        yield "  · no price is published"
    else:
        yield f"  {choice['currency']} {choice['monthlyPrice']:,.2f} a month" + (
            "" if choice["priceIsComplete"] else ", without what has no price here"
        )
    for line in choice["prices"]:
        amount = "not known" if line["amount"] is None else f"{line['amount']:,.2f}"
        quantity = "?" if line["quantity"] is None else f"{line['quantity']:,g}"
        unit_price = "" if line["unitPrice"] is None else f" × {line['unitPrice']:g}"
        per = "" if line["per"] == 1 else f" for each {line['per']:,g}"
        yield f"      {amount:>12}  {visible(line['item'])}: {quantity}{unit_price}{per} (price of {line['asOf']})"


def _constraints(document: Document) -> Iterator[str]:
    for each in document["constraints"]:
        mark = {True: "+", False: "×", None: "?"}[each["ok"]]
        binding = "   ← binding" if each["name"] == document["binding"] else ""
        kind = "" if each["kind"] == "limit" else f" [{each['kind']}]"
        source = f"; {each['source']}, {each['asOf']}" if each["source"] else ""
        yield (
            f"  {mark} {visible(each['name']):<16} {bar(each['utilisation'])} {_percent(each['utilisation']):>5}  "
            f"{visible(constraint_numbers(each))}{binding}"
        )
        yield f"      {visible(each['why'])}{kind}{visible(source)}"


def constraint_numbers(each: Document) -> str:
    """`20 of 30 MB/s`."""
    if each["need"] is None:
        return f"need not known, limit {_amount(each['capacity'], each['unit'])}"
    if each["utilisation"] is None:
        return f"{each['need']} wanted, {each['capacity']} there"
    return f"{_amount(each['need'], None)} of {_amount(each['capacity'], each['unit'])}"


def policy_rows(others: Sequence[Document]) -> Iterator[tuple[str, str, str, str]]:
    """Policy, what it asks for, what to buy under it, the price."""
    for each in others:
        choice = each["recommendation"]
        what = "nothing carries that" if choice is None else f"{choice['edition']}, {purchase_words(choice)}"
        price = "" if choice is None else price_words(choice)
        yield each["policy"], _POLICY_WORDS.get(each["policy"], ""), what, price


def _other_policies(others: Sequence[Document]) -> Iterator[str]:
    if others:
        yield ""
        yield "  under other policies"
    for each, (policy, asks, what, price) in zip(others, policy_rows(others), strict=True):
        mark = "·" if each["recommendation"] else "×"
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
    for each in shown:
        role = "" if each["role"] == "other" else f"{each['role']}: "
        price = "" if each["monthlyPrice"] is None else f", {each['currency']} {each['monthlyPrice']:,.2f}"
        reasons = "; ".join(each["reasons"])
        mark, what = "·" if each["fits"] else "×", f"{each['spec']} ({each['edition']}{price})"
        yield f"  {mark} {role}{visible(what)}: {visible(reasons)}"
    if len(found) > len(shown):
        yield f"      … {len(found) - len(shown):,} more (--verbose, or --output json)"


def _warnings(warnings: Sequence[Document]) -> Iterator[str]:
    if warnings:
        yield ""
    yield from map(_remark, warnings)


def _remark(warning: Document) -> str:
    resource = str(warning["resource"])
    return f"  ! {visible(_NAMES.get(resource, resource))}: {visible(warning['reason'])}"


def _amount(value: Any, unit: str | None) -> str:
    if value is None:
        return "not known"
    if isinstance(value, str):
        return value
    if unit == "B":
        return size(value)
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
    return text if unit in (None, "count") else f"{text} {unit}"


def _percent(utilisation: float | None) -> str:
    return "" if utilisation is None else f"{utilisation:.0%}"


def _words(name: str) -> str:
    """`publicTraffic` → `public traffic`."""
    return "".join(f" {letter.lower()}" if letter.isupper() and i and name[i - 1].islower() else letter
                   for i, letter in enumerate(name)) if name != "eCKU" else name  # fmt: skip
