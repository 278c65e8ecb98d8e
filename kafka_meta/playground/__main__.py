"""Makes the demo's brokers ready before somebody waits for them (`make brokers`)."""

import sys

from kafka_meta.errors import KafkaMetaError
from kafka_meta.playground import DEST, SOURCE, find_java, prepare

try:
    if remark := find_java().remark:
        print(remark, file=sys.stderr)
    prepare(SOURCE)
    prepare(DEST)
except KafkaMetaError as error:
    sys.exit(f"{error.message}\n{error.hint or ''}".rstrip())
