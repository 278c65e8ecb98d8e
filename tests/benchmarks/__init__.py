"""Figures, beside those of the official tools, in one run on one machine: `make bench`.

Absolute times drift with the machine; compare within a run.
"""
