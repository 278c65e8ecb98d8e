"""What was found and done → lines for a person. Pure: no terminal, no colours. A mark begins a line that matters:

+  will be created    =  is there    ~  differs    -  skipped    !  look at this    ×  failed

    words.py      names, sizes and lists as every screen shows them
    snapshot.py   what an export has found; what `check` was told
    plan.py       a plan, what became of its actions, the report of verify
    mirror.py     what a mirror would copy, what is in the way, what arrived
    sizing.py     what to buy, with bars; what statistics an export has collected
"""

from kafka_meta.render.plan import plan_lines, report_lines, result_line, totals_line
from kafka_meta.render.snapshot import access_lines, cluster_words, snapshot_lines, unread_records
from kafka_meta.render.words import FEW, names, remark_line, size, visible

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
