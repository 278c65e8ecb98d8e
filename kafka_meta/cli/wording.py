"""What typer says of a command line that it does not understand → a sentence in our words."""

from __future__ import annotations

import re

_SENTENCES = (
    (r"No such option: (\S+) \(Possible options: (.*)\)", r"there is no option \1; did you mean \2?"),
    (r"No such option: (\S+)", r"there is no option \1"),
    (r"No such command ''\.", "an empty word stands where a command is expected"),
    (r"No such command '(.*)'\. Did you mean (.*)\?", r"there is no command \1; did you mean \2?"),
    (r"No such command '(.*)'\.", r"there is no command \1"),
    (r"Missing command\.", "the command is missing"),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", r"this is not an option: \1"),
    (r"Option '(.*)' requires an argument\.", r"\1 needs a value"),
    (r"Option '(.*)' does not take a value\.", r"\1 takes no value"),
    (r"Invalid value for '(.*)': Value error, (.*?)\.?", r"\1: \2"),
    (r"Invalid value for '(.*)': Input should be a valid integer.*", r"\1: a whole number is expected"),
    (r"Invalid value for '(.*)': Input should be (?:less|greater) than or equal to (.*)", r"\1: the limit is \2"),
)


def sentence(message: str) -> str:
    for pattern, ours in _SENTENCES:
        if match := re.fullmatch(pattern, message, re.DOTALL):
            return match.expand(ours)
    return message
