"""What a cluster does, for sizing: `Snapshot.stats`, by schemas/stats.schema.json.

    collect      all of it, from the brokers, their metrics and this machine
        inventory    what a snapshot itself has: counts, sizes, retention
        history      messages and bytes of past hours, by the offsets at each hour's boundary
        retained     how much the topics hold when their retention has passed
        live         what is written and read while we look
        figures      a number, and its source

No number is invented: what is not known is absent, and `gaps` says why. Traffic is what clients send and receive,
before replication. Nobody has to install anything, and no request asks about a single partition.
"""

from kafka_meta.stats.collect import Wanted, collect
from kafka_meta.stats.inventory import inventory

__all__ = ["Wanted", "collect", "inventory"]
