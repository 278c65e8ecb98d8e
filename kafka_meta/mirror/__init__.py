"""Copies what no group has read yet, exactly once, and sets every group's position to its first unread record.

    prepare ──▶ preflight ──▶ lease ─▶ migrate: guard ─▶ copy ─▶ (verify) ─▶ groups ──▶ outcome
                                                          │
                                                       journal

Files, in the order of a run:

    prepare.py     what will be copied: unread ranges, open transactions; `Prepare to migrate`
    preflight.py   everything that prevents the copy, found before the first byte
    bind.py        the place of each range on the destination
    quiet.py       whether clients write to the source or read from it: before the copy, and before positions are set
    limits.py      records that a destination topic would refuse
    migrate.py     one run, from the first byte to the last position
    lease.py       only one copier of a task at a time
    claims.py      tasks copy different topics
    guard.py       turns retention off on the destination; `--release` sets the old values again
    copy.py        the engine: batches from the source's leaders to the destination's, each sent once; its parts:
                   settling.py, log_end.py, fetching.py, sending.py, partitions.py, track.py
    rolling.py     the check of what has arrived, beside the copy
    follow.py      a run that goes on: the copy with open ends, and beside it
                   positions.py (of groups), appearing.py (topics and partitions), altered.py (configs and ACLs);
                   headroom.py (how long there is time); following.py is what they share, states.py and notices.py
                   keep how each topic stands and what is to be said, paused.py and tally.py count
    task.py        such a run as its journal has it
    foreign.py     records of somebody else behind a complete copy
    groups.py      dest(c) = base + rank(c)
    release.py     the end of the guard, and of a journal
    outcome.py     what was found and done, as values

Truths that are easy to miss:

- A destination partition has one writer, so it has no gaps, and a rank is enough to translate an offset. If another
  client writes to it, the copy of the partition stops at once.
- A batch without an answer is not simply sent again. The destination's log end, compared with what the journal has
  planned to send, shows how far the copy is.
- A log of the source may be cut back after it was copied (an unclean election). The leader's epoch of the last copied
  batch is in the journal, and shows it: `logs.history`.
- Ranges end at the last stable offset, and the copy reads committed records only: markers and aborted records are
  gaps of the source.
- The broker deletes records by their own timestamps. Without the guard, it may delete old records right after they
  have arrived.

Words of this room:

    track       the state of one partition in one run of the copy (`track.py`)
    state       of a track: unsettled, settled, complete or failed
    obstacle    why the next batch of a track cannot be copied; what is before it still is
    settle      to read the end of a destination's log, and to continue the copy of its partition from there
    era         a count in a track; goes up when it has to be settled again: answers to earlier requests do not count
    generation  a count in the journal; each settlement starts a new one, for the intents and runs that follow it
    term        a count in the lease; goes up each time the lease is taken: no request of an earlier term is sent
    epoch       Kafka's own: the epoch of a partition's leader, which goes up with each election, or of a producer
"""
