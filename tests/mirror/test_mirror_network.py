"""A network that cuts every connection again and again, on both sides."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from kafka_meta.events import silent
from kafka_meta.journal import Journal
from kafka_meta.verify import check
from tests.support.mirroring import assert_same, begin, create, failures, fill, read, run, settings
from tests.support.proxy import Proxy, pair_behind

pytestmark = pytest.mark.guard

TOPIC = "cut"
PARTITIONS = 4
RECORDS = 24_000
CUT_AFTER_BYTES = 3_000_000
"""Less than an answer of the source, or a request to the destination, would be without a cut."""


@pytest.mark.brokers
def test_a_copy_and_its_check_end_well_though_no_connection_lives_long(tmp_path: Path) -> None:
    with ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(CUT_AFTER_BYTES)) for _ in range(2)]
        clusters = stack.enter_context(pair_behind(proxies))
        source, dest = clusters
        create(source, TOPIC, partitions=PARTITIONS)
        create(dest, TOPIC, partitions=PARTITIONS)
        fill(source, TOPIC, RECORDS, partitions=PARTITIONS, value_bytes=1000)
        journal = tmp_path / "journal"
        ids = begin(journal, source, dest, [TOPIC])
        for proxy in proxies:
            proxy.start_cutting()
        assert failures(run(journal, source, dest, ids)) == {}
        assert min(proxy.cuts for proxy in proxies) >= 5
        with Journal(journal, source_id=ids[0], dest_id=ids[1]) as opened:
            positions = list(opened.positions())
        before = proxies[1].cuts
        found = list(check(settings(dest, "dest"), positions, emit=silent))
        assert proxies[1].cuts - before >= 5
        assert [(each.content, each.reason) for each in found] == [("equal", None)] * PARTITIONS
        for proxy in proxies:
            proxy.cut_after_bytes = None
        places = [(TOPIC, number) for number in range(PARTITIONS)]
        assert_same(read(source, places), read(dest, places))
