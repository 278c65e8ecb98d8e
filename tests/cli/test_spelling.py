"""The command line as people type it: the old tools' spellings, switches with a value, global options anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafka_meta.cli.spelling import normalise
from kafka_meta.errors import UsageError


@pytest.mark.parametrize(
    ("typed", "ours"),
    [
        ("export --sourceZkConnect zk:2181/kafka", "export --source-zk-connect zk:2181/kafka"),
        ("export --sourceBootstrapServers=a:1,b:2", "export --source-bootstrap-servers=a:1,b:2"),
        ("import --destBootstrapServers a:1 --commit", "import --dest-bootstrap-servers a:1 --commit"),
        ("export --fileName metadata.json", "export --file-name metadata.json"),
        ("export --targetDirectory /X/y", "export --target-directory /X/y"),
        ("export --evaluate false", "export --no-evaluate"),
        ("export --evaluate true", "export --evaluate"),
        ("export --evaluate=False", "export --no-evaluate"),
        ("export --evaluate", "export --evaluate"),
        ("export --no-evaluate", "export --no-evaluate"),
        ("import --commit false", "import"),
        ("import --commit=false", "import"),
        ("import --commit TRUE --only topics", "import --commit --only topics"),
        ("import --installTsar true", "import --install-tsar"),
        ("import --pinDefaults", "import --pin-defaults"),
        ("import --rename a=b=c", "import --rename a=b=c"),
        ("import --rename=a=B", "import --rename=a=B"),
        ("import --output json", "--output json import"),
        ("import --output=json --verbose", "--output json --verbose import"),
        ("--verbose import --config x.toml", "--verbose --config x.toml import"),
        ("import --verbose false", "import"),
        ("import -- --commit --output json", "import -- --commit --output json"),
        ("import -h", "import -h"),
        ("--version", "--version"),
        ("", ""),
    ],
)
def test_what_people_type_becomes_our_spelling(typed: str, ours: str) -> None:
    assert normalise(typed.split()) == ours.split()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("import --commit=yes", "--commit is a switch: expected true or false, not 'yes'"),
        ("import --commit=", "--commit is a switch"),
        ("import --evaluate=0", "--evaluate is a switch"),
        ("import --output", "--output needs a value"),
    ],
)
def test_what_is_neither_true_nor_false_is_refused(typed: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        normalise(typed.split())


words = st.lists(
    st.sampled_from(
        (
            "import",
            "--commit",
            "--commit=false",
            "false",
            "true",
            "--output",
            "json",
            "--",
            "--verbose",
            "--rename",
            "a=b",
        )
    ),
    max_size=8,
)


@settings(deadline=None)
@given(typed=words)
def test_our_spelling_stays_as_it_is(typed: list[str]) -> None:
    try:
        once = normalise(typed)
    except UsageError:
        return
    if "true" not in typed and "false" not in typed:
        assert normalise(once) == once


@settings(deadline=None)
@given(typed=words)
def test_nothing_is_committed_that_was_not_typed(typed: list[str]) -> None:
    try:
        ours = normalise(typed)
    except UsageError:
        return
    before = ours[: ours.index("--")] if "--" in ours else ours
    asked = typed[: typed.index("--")] if "--" in typed else typed
    commits = [asked[index + 1 : index + 2] != ["false"] for index, word in enumerate(asked) if word == "--commit"]
    assert before.count("--commit") <= sum(commits)
