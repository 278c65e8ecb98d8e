"""`mirror --release`: which topics get retention and compaction back, and which are still needed."""

from __future__ import annotations

from kafka_meta import cluster
from kafka_meta.cli.mirror.journal import Which, chosen_topics, existing_journal
from kafka_meta.cli.session import Session
from kafka_meta.documents.mirror import encode_mirror
from kafka_meta.errors import ExitStatus
from kafka_meta.journal import Journal
from kafka_meta.mirror import release as guarded
from kafka_meta.mirror.outcome import Mirrored
from kafka_meta.model import Remark
from kafka_meta.ranges import Unconsumed
from kafka_meta.render.mirror import release_lines, released_lines


def release(session: Session, which: Which, *, allow_unread: bool, commit: bool) -> int:
    screen = session.screen
    with existing_journal(session, which) as (dest, journal), screen.progress() as meter:
        _, topics = chosen_topics(session, journal)
        if commit:
            with cluster.Writer(dest) as writer:
                done = guarded.release(dest, writer, journal, topics, allow_unread=allow_unread, emit=meter.emit)
            document = _document(journal, done.needed, (*done.allowed, *done.remarks), done.topics, committed=True)
            lines = released_lines(done)
            status = ExitStatus.FAILED if done.needed or done.remarks else ExitStatus.DONE
        else:
            looked = guarded.look(dest, journal, topics, emit=meter.emit)
            needed = () if allow_unread else tuple(remark for each in looked for remark in each.needed)
            document = _document(journal, needed, (), (), committed=False)
            lines = release_lines(looked, allow_unread=allow_unread)
            status = ExitStatus.DONE
    screen.document(lambda: encode_mirror(document))
    screen.result(lines)
    return status


def _document(
    journal: Journal,
    findings: tuple[Remark, ...],
    warnings: tuple[Remark, ...],
    topics: tuple[str, ...],
    *,
    committed: bool,
) -> Mirrored:
    return Mirrored(
        committed=committed,
        source_id=journal.source_id,
        dest_id=journal.dest_id,
        unread=Unconsumed(),
        findings=findings,
        warnings=warnings,
        guarded=tuple(journal.guards()),
        released=topics,
    )
