"""Amounts as people type them, and units as documents have them: one table."""

from __future__ import annotations

import pytest

from kafka_meta.errors import UsageError
from kafka_meta.quantities import amount, convert, count, rate_bytes, seconds, size_bytes


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("500000", 500_000),
        ("128MB", 128_000_000),
        ("1 GiB", 2**30),
        ("1.5kB", 1_500),
        ("7b", 7),
        ("500k", 500_000),
        ("2TB", 2 * 10**12),
        ("2tb", 2 * 10**12),
        ("1TIB", 2**40),
        (".5kB", 500),
        ("1e3", 1000),
        ("1E3kB", 1_000_000),
        ("8kbit", 1000),
    ],
)
def test_sizes_are_decimal_unless_they_say_otherwise_and_any_case_will_do(text: str, bytes_: int) -> None:
    assert size_bytes("--memory", text) == bytes_


@pytest.mark.parametrize("text", ["50MB/s", "50 mb/s", "50MB", "50000000", "5e7", "400Mbit/s", "400 MBIT", "0.4Gbit/s"])
def test_a_rate_may_leave_out_its_second_and_be_in_bits(text: str) -> None:
    assert rate_bytes("--max-rate", text) == 50_000_000


@pytest.mark.parametrize(
    ("text", "amount"),
    [("90", 90), ("90s", 90), ("10m", 600), ("10min", 600), ("2h", 7_200), ("1d", 86_400), ("1500ms", 2)],
)
def test_times(text: str, amount: int) -> None:
    assert seconds("--give-up-after", text) == amount


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("20", "MB/s", 20), ("20MB", "MB/s", 20), ("160Mbit/s", "MB/s", 20), ("2TB", "GB", 2000), ("500", "GB", 500)],
)
def test_a_number_alone_is_in_the_unit_of_its_flag(text: str, unit: str, value: float) -> None:
    assert amount("--flag", text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", "0", "-5MB", "MB", "5 parsecs", "1e99", "9" * 400, "٣MB", "0.0001", "nan", "inf", "5MB/s", "5h"]
)
def test_anything_else_is_refused_with_the_flag_and_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"--memory .*expected a size, such as 500000, 128MB"):
        size_bytes("--memory", text)


@pytest.mark.parametrize("text", ["-5MB/s", "5 parsecs/s", "/s"])
def test_a_rate_that_is_none_is_quoted_as_it_was_typed(text: str) -> None:
    with pytest.raises(UsageError, match=f"--max-rate '{text}': expected bytes a second, such as 500kB/s, 50MB/s"):
        rate_bytes("--max-rate", text)


def test_a_unit_of_another_kind_is_named() -> None:
    with pytest.raises(UsageError, match="'GB/s' is not a unit of a size"):
        amount("--disk", "20 GB/s", "GB")


def test_megabytes_and_mebibytes_are_not_the_same() -> None:
    assert convert(1, "MiB/s", "MB/s") == pytest.approx(1.048576)
    assert convert(900, "GB", "GiB") == pytest.approx(838.19, abs=0.01)
    with pytest.raises(UsageError, match="cannot be turned"):
        convert(1, "MB", "MB/s")
    with pytest.raises(UsageError, match="'furlong' is not known"):
        convert(1, "furlong", "MB")


@pytest.mark.parametrize(("text", "value"), [("800", 800), ("1e3", 1000), (" 7 ", 7), ("0", 0)])
def test_counts_are_whole(text: str, value: int) -> None:
    assert count("--partitions", text) == value


@pytest.mark.parametrize("text", ["", "1.5", "x", "-1", "8 kB", "1e-3", "1e400", "nan"])
def test_what_is_no_count_is_refused_with_its_flag(text: str) -> None:
    with pytest.raises(UsageError, match=f"--partitions '{text}': expected a whole number, such as 800"):
        count("--partitions", text)
