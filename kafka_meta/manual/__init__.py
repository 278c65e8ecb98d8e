"""Pages of `kafka-meta help TOPIC`: plain Markdown, 80 columns wide, shipped with the package and read offline."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

TOPICS = ("metadata", "mirror", "follow", "cutover", "sizing", "settings", "files", "troubleshooting")
"""In the order in which an operator needs them; each is a file beside this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`title` is the first line's, without the topic; `text` is the whole file."""

    topic: str
    title: str
    text: str


def page(topic: str) -> Page:
    """The page of one of `TOPICS`."""
    text = (files(__name__) / f"{topic}.md").read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    return Page(topic=topic, title=re.sub(r"^# \w+: ", "", first), text=text)
