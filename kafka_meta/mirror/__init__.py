"""Copies what nobody has read yet, exactly once, and leaves every group at the record where it stopped.

    prepare ──▶ preflight ──▶ lease ─▶ migrate: guard ─▶ copy ─▶ (verify) ─▶ groups ──▶ document
                                                          │
                                                       journal

Files, in the order of a run:

    prepare.py     what would be copied: unread ranges, open transactions; `Prepare to migrate`
    preflight.py   everything in the way, found at once, before the first byte
    bind.py        each range bound to its place on the destination
    takes.py       records that a destination topic would not take
    migrate.py     one run from the first byte to the last position
    lease.py       one copier at a time
    guard.py       retention off on the destination, remembered, and put back by `--release`
    copy.py        the engine: batches from the source's leaders to the destination's, each sent once; its parts:
                   settling.py, settle.py, fetching.py, sending.py, tracks.py, track.py, answers.py
    groups.py      dest(c) = base + rank(c)
    document.py    what was found and done, as values and as JSON

Truths that are easy to miss:

- With one writer a destination partition has no gaps, so a rank is all it takes to translate an offset; that is why a
  foreign record on the way stops a partition at once.
- Nothing is sent again because no answer came. The destination's log end, held against what the journal says was
  about to be sent, tells how far a copy is.
- Ranges end at the last stable offset, and the copy reads committed records only: markers and aborted records are
  gaps of the source.
- Retention counts by the records' own time. Without the guard, old records vanish right after they have arrived.
"""
