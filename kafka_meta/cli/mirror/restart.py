"""`mirror --restart`: forgets the journal, if nothing of the copy is left on the destination."""

from __future__ import annotations

from kafka_meta.cli.mirror.journal import Which, existing_journal
from kafka_meta.cli.session import Session
from kafka_meta.documents.restart import encode_restart
from kafka_meta.errors import ExitStatus
from kafka_meta.mirror.release import forget, require_nothing_copied


def restart(session: Session, which: Which, *, commit: bool) -> int:
    screen = session.screen
    with existing_journal(session, which) as (dest, journal), screen.progress() as meter:
        if commit:
            forget(dest, journal, emit=meter.emit)
        else:
            require_nothing_copied(dest, journal, emit=meter.emit)
        where = journal.path
    screen.document(lambda: encode_restart(where, committed=commit))
    if commit:
        screen.result([f"{where} was removed: the next mirror --commit begins anew"])
    else:
        screen.result(
            [f"Will remove journal:{where}", "", "Nothing was changed. To do it: the same command with --commit"]
        )
    return ExitStatus.DONE
