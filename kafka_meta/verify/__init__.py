"""Whether what was copied is on the destination: how many records, their content, and the groups' positions.

The copy has kept a digest of the batches that it sent. A destination that keeps batches as they come is read alone,
so the answer holds when the source has been compacted or purged since; otherwise, or on demand, both sides are read
and compared record by record: key, value, headers in order, timestamp.

    data       counts, content, positions
    reading    logs as batches
"""

from kafka_meta.verify.data import Checked, Content, check, check_both, report
from kafka_meta.verify.reading import Lost, Piece, Span, read

__all__ = ["Checked", "Content", "Lost", "Piece", "Span", "check", "check_both", "read", "report"]
