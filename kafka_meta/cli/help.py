"""`kafka-meta help [TOPIC]`: the pages of the manual, and which one was meant."""

from __future__ import annotations

import difflib

from kafka_meta.cli.commands import COMMANDS
from kafka_meta.cli.session import Session
from kafka_meta.documents.help import encode_help
from kafka_meta.errors import ExitStatus, UsageError
from kafka_meta.manual import TOPICS, Page, page


def help_(session: Session, topic: str | None) -> int:
    screen = session.screen
    pages = [page(each) for each in (TOPICS if topic is None else (_known(topic),))]
    screen.document(lambda: encode_help(pages))
    # At once, so that `| head` and a pager that is left early do not interrupt it.
    screen.result(["\n".join(_list(pages)) if topic is None else pages[0].text.removesuffix("\n")])
    return ExitStatus.DONE


def _known(topic: str) -> str:
    """One of `TOPICS`. Raises UsageError that names what is near."""
    if topic.lower() in TOPICS:
        return topic.lower()
    near = difflib.get_close_matches(topic.lower(), TOPICS, n=2, cutoff=0.6)
    hints = [f"Near: {', '.join(near)}." if near else f"There are {', '.join(TOPICS)}."]
    if topic in {each.name for each in COMMANDS}:
        hints.append(f"{topic} is a command; its options: kafka-meta {topic} --help")
    raise UsageError(f"the manual has no page {topic!r}", "\n".join(hints))


def _list(pages: list[Page]) -> list[str]:
    width = max(len(each.topic) for each in pages)
    return [
        "Pages of the manual: kafka-meta help TOPIC",
        "",
        *(f"  {each.topic:<{width}}  {each.title}" for each in pages),
        "",
        "The options of a command: kafka-meta COMMAND --help",
    ]
