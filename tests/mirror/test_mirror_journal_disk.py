"""The journal's disk is full, and has room again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.support.disks import SmallDisk, can_mount
from tests.support.mirrored import Mirror, midway, small
from tests.support.traffic import rows

__all__ = ["small"]


@pytest.mark.skipif(not can_mount(), reason="nothing can be mounted in a namespace of its own here")
@pytest.mark.guard
def test_a_full_disk_stops_the_copy_with_a_sentence_and_the_same_command_goes_on(small: Mirror, tmp_path: Path) -> None:
    with closing(SmallDisk(tmp_path, "8m")) as disk:
        journal = ("--journal", str(disk.folder / "journal.sqlite"), "--quiet", "1s")
        status, _, said = midway(small, lambda _: disk.fill(), *journal, inside=disk.inside)
        assert status == 1, said
        assert "there is no room left on the disk of the journal" in said
        assert "Make room. Nothing that was copied is lost" in said and "defect" not in said
        arrived = len(rows(small.dest, small.topic, 1))
        assert 0 < arrived < 700
        disk.make_room()
        status, out, said = midway(small, lambda _: None, *journal, inside=disk.inside)
        assert status == 0, said
        assert "equal" in out
    sent = rows(small.source, small.topic, 1)
    assert [row[1:] for row in rows(small.dest, small.topic, 1)] == [row[1:] for row in sent]
