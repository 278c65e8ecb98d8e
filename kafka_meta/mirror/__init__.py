"""Copies what nobody has read yet, exactly once, and leaves every group at the record where it stopped.

prepare     what would be copied: Snapshot → unread ranges, open transactions; `Prepare to migrate`
document    what was found and done → the mirror document
"""
