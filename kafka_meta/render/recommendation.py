"""A recommendation's document → rows of words. The screen and the page show the same rows.

Nothing here reads a sentence: what decides how something is shown is a field of the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from kafka_meta.plan import plural
from kafka_meta.render.words import size

Document = Mapping[str, Any]
Mark: TypeAlias = Literal["+", "?", "×", "·"]

_WORDS = {
    "averageWrite": "average write",
    "publicTraffic": "public traffic",
    "largestMessage": "largest message",
    "dataReplicated": "data, all copies",
    "dataRetained": "data once retention has passed",
    "compactedPartitions": "compacted partitions",
    "replicationFactor": "replication factor",
    "unlimitedRetentionTopics": "topics kept for ever",
    "serverVersion": "version",
    "idcMigration": "from a data centre of one's own",
    "ssd": "SSD",
    "acls": "ACLs",
    "scram": "SCRAM users",
    "instanceType": "instance type",
    "diskType": "disk type",
    "extraTopics": "topics beyond those included",
    "extraPartitions": "partitions beyond those included",
    "memoryMapsPerBroker": "memory maps a broker",
}
"""Names in documents that are no words."""
_STATS = {"max": "highest", "hourly max": "highest hour", "mean": "average", "last": "", "total": ""}
_POLICIES = {
    "minimal": "just enough",
    "vendor": "30 % above the peak, as vendors advise",
    "safe": "only so full as it is known to run well",
}
_KINDS = {"limit": "", "purchase": "follows from what is bought", "preference": "asked for by the policy"}


class Offer(NamedTuple):
    """One vendor of several."""

    mark: Mark
    vendor: str
    what: str
    price: str
    why: str
    """The limit that is used most, or why nothing of this vendor carries the needs."""


class PriceRow(NamedTuple):
    amount: str
    item: str
    calculation: str
    as_of: str


class ConstraintRow(NamedTuple):
    mark: Mark
    name: str
    share: float | None
    percent: str
    numbers: str
    why: str
    source: str
    used_most: bool


class AlternativeRow(NamedTuple):
    mark: Mark
    role: str
    """"" for one that is neither the next cheaper nor the next that fits."""
    what: str
    price: str
    why: str


def words(name: str) -> str:
    return _WORDS.get(name, name)


def verdict(document: Document) -> list[str]:
    """What to buy, and why: whole sentences."""
    choice = document["recommendation"]
    if choice is None:
        return [f"Nothing of this catalogue carries the needs. {_nearest(document)}."]
    verb = "Build" if document["provider"] == "self-managed" else "Buy"
    verb += " at least" if _size_is_open(document) else ""
    price = "" if choice["monthlyPrice"] is None else f": {price_words(choice)} a month"
    told = [f"{verb} {purchase_words(choice)}{_extras(choice)}{price}.", *_reasons(document)]
    binding = next((each for each in document["constraints"] if each["name"] == document["binding"]), None)
    if binding is not None:
        told.append(f"The limit that is used most is {binding['name']}: {constraint_numbers(binding)}.")
    for each in document["alternatives"]:
        if each["role"] in ("next cheaper", "next smaller"):
            told.append(f"The {each['role']} one, {purchase_words(each)}, is not enough: {'; '.join(each['reasons'])}.")
    if not document["complete"]:
        told.append(f"This is incomplete. Not known: {missing_words(document)}.")
    return told


def _size_is_open(document: Document) -> bool:
    """The known needs alone decide the size; the average rate decides prices only."""
    return bool({*document["missing"]} - {"averageWrite"})


def _reasons(document: Document) -> Iterator[str]:
    choice = document["recommendation"]
    others = [each for each in document["alternatives"] if each["fits"]]
    priced = [each for each in others if each["monthlyPrice"] is not None]
    cheaper = [each for each in priced if each["mayCostLess"]]
    without = [line["item"] for line in choice["prices"] if line["amount"] is None]
    if without:
        yield f"Not in that price: {', '.join(without)}."
    if not others:
        yield "Nothing else of this catalogue carries the needs."
    elif document["chosenBy"] == "size":
        yield f"It is the smallest of the {len(others) + 1} that carry the needs. Prices are not in this catalogue."
    elif cheaper and _size_is_open(document):
        yield "Which one costs least depends on what is not known."
    elif cheaper:
        for each in cheaper[:3]:
            why = f"because not all of its price is known: {price_words(each)} a month"
            yield f"{purchase_words(each)} may cost less or more, {why}."
    elif priced:
        yield f"None of the other {len(priced)} that carry the needs and have a price costs less."
    unpriced = [purchase_words(each) for each in others if each["monthlyPrice"] is None]
    if unpriced and document["chosenBy"] == "price":
        yield f"Not compared, because this catalogue has no price of it: {', '.join(unpriced)}."


def _extras(choice: Document) -> str:
    """` with 900 GB of SSD, 50 topics and server 2.2.0`."""
    quantities = {name: each["value"] for name, each in choice["quantities"].items()}
    told = []
    if quantities.get("disk") is not None:
        kind = quantities.get("diskType", "disk")
        told.append(f"{_amount(quantities['disk'], choice['quantities']['disk']['unit'])} of {kind}")
    if "topics" in quantities:
        told.append(plural(quantities["topics"], "topic"))
    if "serverVersion" in quantities:
        told.append(f"server {quantities['serverVersion']}")
    if not told:
        return f" ({choice['editionTitle']})"
    *first, last = told
    return f" ({choice['editionTitle']}) with {', '.join(first)}{' and ' if first else ''}{last}"


def _nearest(document: Document) -> str:
    nearest = document["nearest"]
    return f"Nearest is {purchase_words(nearest)}: {'; '.join(nearest['reasons'])}"


_REMEDIES = {
    "write": "--peak-traffic",
    "read": "--peak-traffic",
    "averageWrite": "--average-traffic",
    "data": "--disk",
    "partitions": "--partitions",
    "retention": "--disk",
}
"""The option that gives a need; `warnings` say what else does."""


def missing_words(document: Document) -> str:
    """`average write (give --average-traffic); price of public traffic (give --catalog)`."""
    unknown = [(words(name), _REMEDIES[name]) for name in document["missing"]]
    unknown += [(f"price of {item}", "--catalog") for item in document["unpriced"]]
    return "; ".join(f"{what} (give {option})" for what, option in unknown)


def offers(documents: Sequence[Document], refused: Sequence[Document]) -> Iterator[Offer]:
    """All vendors side by side; those whose catalogue could not be compared come last."""
    for document in documents:
        choice = document["recommendation"]
        if choice is None:
            yield Offer("×", document["provider"], "nothing carries the needs", "", _nearest(document))
            continue
        what = _edition_and_spec(choice)
        mark: Mark = "+" if document["complete"] else "?"
        yield Offer(mark, document["provider"], what, price_words(choice), _used_most(document))
    for each in refused:
        yield Offer("×", each["provider"], "could not be compared", "", each["message"])


def survey_verdict(documents: Sequence[Document]) -> list[str]:
    """What the vendors side by side come to. Prices of several currencies are not compared."""
    carrying = [each for each in documents if each["recommendation"] is not None]
    if not carrying:
        return ["None of these catalogues carries the needs."]
    told = []
    priced = [each for each in carrying if each["recommendation"]["monthlyPrice"] is not None]
    for currency in sorted({each["currency"] for each in priced}):
        group = [each for each in priced if each["currency"] == currency]
        bounded = [each for each in group if each["recommendation"]["monthlyPriceAtMost"] is not None]
        best = min(bounded or group, key=_most)
        choice = best["recommendation"]
        old = f" (catalogue of {best['catalogVersion']}, more than a year old)" if best["catalogIsOld"] else ""
        lowest = f"The lowest price in {currency}" if len(group) > 1 else f"In {currency}"
        what = f"{best['provider']}, {purchase_words(choice)}, {price_words(choice)} a month"
        told.append(f"{lowest}: {what}{old}.")
    others = [each["provider"] for each in carrying if each not in priced]
    if others:
        told.append(f"The needs are also carried by {', '.join(others)}; prices of these are not in our catalogues.")
    if len({each["currency"] for each in priced}) > 1:
        told.append("Prices of different currencies are not compared.")
    return told


def _most(document: Document) -> float:
    choice = document["recommendation"]
    most = choice["monthlyPriceAtMost"]
    return float(choice["monthlyPrice"] if most is None else most)


def incomplete_rows(documents: Sequence[Document]) -> Iterator[tuple[str, str]]:
    """What is not known and how to add it, each once, of all vendors together."""
    told: set[tuple[str, str]] = set()
    for document in documents:
        if document["recommendation"] is None:
            continue
        for each in document["warnings"]:
            row = (words(each["resource"]), each["reason"])
            matters = each["resource"] in document["missing"] or (each["resource"] == "price" and document["unpriced"])
            if matters and row not in told:
                told.add(row)
                yield row


def old_catalogues(documents: Sequence[Document]) -> str:
    """`alibaba of 2021-06-28`; "" when all are of this year."""
    return ", ".join(f"{each['provider']} of {each['catalogVersion']}" for each in documents if each["catalogIsOld"])


def needs_rows(needs: Document) -> Iterator[tuple[str, str, str]]:
    """Name, value and where it comes from, of every need that is known."""
    for name, need in needs.items():
        if need is None or name == "features":
            continue
        if "unit" not in need:
            yield words(name), str(need["value"]), str(need["method"])
            continue
        stat = _STATS.get(need["stat"], need["stat"])
        window = f" of {_window(need['window'])}" if need["window"] else ""
        how = f"{need['method']}{', ' if stat else ''}{stat}{window if stat else ''}"
        if need["method"] != "declared":
            how += f"; confidence {need['confidence']}"
        yield words(name), _amount(need["value"], need["unit"]), how
    used = [words(name) for name, in_use in (needs.get("features") or {}).items() if in_use]
    if used:
        yield "features in use", ", ".join(used), "measured"


def _window(window: str) -> str:
    """ISO 8601 → `2026-11-14 00:00 to 2026-11-21 00:00`, `60 s`."""
    if "/" in window:
        return " to ".join(end[:16].replace("T", " ") for end in window.split("/"))
    seconds = window.removeprefix("PT").removesuffix("S")
    return f"{seconds} s" if seconds.isdigit() else window


def quantity_rows(choice: Document) -> Iterator[tuple[str, str]]:
    """What to choose and to buy."""
    for name, quantity in choice["quantities"].items():
        if quantity["value"] is not None:
            yield (
                f"number of {name}s" if name == choice["unit"] else words(name),
                _amount(quantity["value"], quantity["unit"]),
            )


def purchase_words(choice: Document) -> str:
    """`3 × kafka.m7g.large`; the name alone of what is bought once."""
    count = choice["quantities"][choice["unit"]]["value"]
    return str(choice["spec"]) if count == 1 else f"{count:,} × {choice['spec']}"


def _edition_and_spec(choice: Document) -> str:
    return f"{choice['editionTitle']}, {purchase_words(choice)}"


def price_words(choice: Document) -> str:
    """`USD 1,014.62 to 1,504.12` where something is not known, and `and more` where nothing bounds it."""
    least, most = choice["monthlyPrice"], choice["monthlyPriceAtMost"]
    if least is None:
        return "not in this catalogue"
    told = f"{choice['currency']} {least:,.2f}"
    if choice["priceIsComplete"] or most == least:
        return told
    return f"{told} and more" if most is None else f"{told} to {most:,.2f}"


def price_rows(choice: Document) -> Iterator[PriceRow]:
    """Line by line: amount = quantity × price ÷ per."""
    for line in choice["prices"]:
        unit = f" {line['unit']}" if line["unit"] else ""
        quantity = "quantity not known" if line["quantity"] is None else f"{line['quantity']:,g}{unit}"
        price = "price not in this catalogue" if line["unitPrice"] is None else f"{line['unitPrice']:,g}"
        per = "" if line["per"] == 1 else f" for each {line['per']:,g}{unit}"
        amount = "not known" if line["amount"] is None else f"{line['amount']:,.2f}"
        if line["amount"] is None and line["amountAtMost"] is not None:
            amount = f"at most {line['amountAtMost']:,.2f}"
        yield PriceRow(amount, line["item"], f"{quantity} × {price}{per}", line["asOf"])


def constraint_rows(document: Document) -> Iterator[ConstraintRow]:
    for each in document["constraints"]:
        marks: dict[bool | None, Mark] = {True: "+", False: "×", None: "?"}
        kind = _KINDS[each["kind"]]
        title = document["sources"][each["source"]]["title"] if each["source"] else ""
        yield ConstraintRow(
            mark=marks[each["ok"]],
            name=words(each["name"]),
            share=each["utilisation"],
            percent=_percent(each["utilisation"]),
            numbers=constraint_numbers(each),
            why=f"{each['why']} ({kind})" if kind else each["why"],
            source=f"{title}, {each['asOf']}" if title else "",
            used_most=each["name"] == document["binding"],
        )


def constraint_numbers(each: Document) -> str:
    """`20 of 30 MB/s`."""
    if each["need"] is None:
        return f"need not known, limit {_amount(each['capacity'], each['unit'])}"
    if each["utilisation"] is None:
        return f"{each['need']} wanted, {each['capacity']} there"
    return f"{_amount(each['need'], None)} of {_amount(each['capacity'], each['unit'])}"


def _used_most(document: Document) -> str:
    """`write 52%`."""
    binding = next((each for each in document["constraints"] if each["name"] == document["binding"]), None)
    return "" if binding is None else f"{words(binding['name'])} {_percent(binding['utilisation'])}"


def policy_rows(document: Document) -> Iterator[tuple[Mark, str, str, str, str]]:
    """Mark, policy, what it asks for, what to buy under it, the price."""
    for each in document["otherPolicies"]:
        choice = each["recommendation"]
        policy, asks = each["policy"], _POLICIES.get(each["policy"], "")
        if choice is None:
            yield "×", policy, asks, "nothing carries that", ""
        else:
            yield "·", policy, asks, _edition_and_spec(choice), price_words(choice)


def alternative_rows(found: Iterable[Document]) -> Iterator[AlternativeRow]:
    for each in found:
        role = "" if each["role"] == "other" else each["role"]
        price = "" if each["monthlyPrice"] is None else price_words(each)
        what = _edition_and_spec(each)
        yield AlternativeRow("·" if each["fits"] else "×", role, what, price, "; ".join(each["reasons"]))


def remark_rows(document: Document) -> Iterator[tuple[str, str]]:
    """What to keep in mind: subject and sentence."""
    for each in document["warnings"]:
        yield words(each["resource"]), each["reason"]
    if document["catalogIsOld"]:
        reason = f"it is of {document['catalogVersion']}, more than a year old: check its figures and prices"
        yield "catalogue", f"{reason} before you buy"


def _amount(value: Any, unit: str | None) -> str:
    if value is None:
        return "not known"
    if isinstance(value, str):
        return value
    if unit == "B":
        return size(value)
    unit = "a second" if unit == "1/s" else unit
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
    return text if unit in (None, "count") else f"{text} {unit}"


def _percent(utilisation: float | None) -> str:
    return "" if utilisation is None else f"{utilisation:.0%}"
