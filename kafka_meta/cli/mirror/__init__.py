"""What `kafka-meta mirror` does.

run.py        the look, and with --commit the copy
status.py     --status
release.py    --release
restart.py    --restart
journal.py    which journal is meant
log.py        what a look or a copy leaves behind
copier.py     what a copier tells --status while it runs
"""
