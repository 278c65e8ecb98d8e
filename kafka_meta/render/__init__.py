"""Documents → lines for a person. Pure: no terminal, no colour codes; a line's mark tells its weight.

+  will be created    =  is there    ~  differs    -  skipped    !  look at this    ×  failed

    documents.py   snapshots, plans, results, reports; names and sizes as a screen shows them
    mirror.py      what a mirror would copy, what it found in the way, what arrived
    sizing.py      what to buy, with bars; what statistics an export has collected
"""

from kafka_meta.render.documents import (
    FEW,
    access_lines,
    cluster_words,
    names,
    plan_lines,
    remark_line,
    report_lines,
    result_line,
    size,
    snapshot_lines,
    totals_line,
    unread_records,
    visible,
)

__all__ = [
    "FEW",
    "access_lines",
    "cluster_words",
    "names",
    "plan_lines",
    "remark_line",
    "report_lines",
    "result_line",
    "size",
    "snapshot_lines",
    "totals_line",
    "unread_records",
    "visible",
]
