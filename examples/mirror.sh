#!/bin/sh
# The records that no group has read yet. Stop producers and consumers before.
set -eu

kafka-meta export --file-name metadata.json
kafka-meta import --file-name metadata.json --commit
# The look: each line with × must be cleared away first.
kafka-meta mirror
# If it is interrupted, run the script again: it goes on where the copy stands.
kafka-meta mirror --commit
kafka-meta verify --data
# Start the consumers on the destination now. When they have read everything: kafka-meta mirror --release --commit
