"""Whether what was copied is on the destination: how many records, their content, and the groups' positions.

The copy has kept a digest of the batches that it sent. If the destination keeps batches unchanged, only the destination
is read. So the check works even when the source was compacted or its records were deleted since. Otherwise, or on
demand, both sides are read and compared record by record: key, value, headers in order, timestamp.

The check rolls: the journal keeps how far everything was compared, and what was found equal is not read again. So an
extension of a copy reads its tail, and records that retention has deleted since stay verified.

    there      the bounds of the logs: what can be said without reading
    data       batches, by their digest; and the report
    records    both sides, record by record, in steps
    history    what was copied of a log that the source has cut back since is not what the source has
"""

from kafka_meta.verify.checked import Checked, Content
from kafka_meta.verify.data import check, report
from kafka_meta.verify.history import cut_back, unknown

__all__ = ["Checked", "Content", "check", "cut_back", "report", "unknown"]
