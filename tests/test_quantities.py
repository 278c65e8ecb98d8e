"""Amounts as people write them."""

from __future__ import annotations

import pytest

from kafka_meta.cli.quantities import rate_bytes, seconds, size_bytes
from kafka_meta.errors import UsageError


@pytest.mark.parametrize(
    ("text", "amount"),
    [("500000", 500_000), ("128MB", 128_000_000), ("1 GiB", 2**30), ("1.5kB", 1_500), ("7b", 7)],
)
def test_sizes_are_decimal_unless_they_say_otherwise(text: str, amount: int) -> None:
    assert size_bytes("--memory", text) == amount


@pytest.mark.parametrize("text", ["50MB/s", "50 MB/s", "50MB", "50000000"])
def test_a_rate_may_name_its_second(text: str) -> None:
    assert rate_bytes("--max-rate", text) == 50_000_000


@pytest.mark.parametrize(("text", "amount"), [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7_200), ("1d", 86_400)])
def test_times(text: str, amount: int) -> None:
    assert seconds("--give-up-after", text) == amount


@pytest.mark.parametrize("text", ["", "0", "-5MB", "MB", "5 parsecs", "1e9", "9" * 400, "٣MB", "0.0001"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"--memory .*expected bytes: 500000, 128MB"):
        size_bytes("--memory", text)


@pytest.mark.parametrize("text", ["-5MB/s", "5 parsecs/s", "/s"])
def test_a_rate_that_is_none_is_quoted_as_it_was_typed(text: str) -> None:
    with pytest.raises(UsageError, match=f"--max-rate '{text}': expected bytes a second: 500kB/s, 50MB/s"):
        rate_bytes("--max-rate", text)
