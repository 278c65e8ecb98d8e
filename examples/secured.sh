#!/bin/sh
# Clusters with TLS and logins, by the .properties files that Kafka's own tools take.
set -eu

kafka-meta check --source-config old.properties --dest-config new.properties
kafka-meta export --source-config old.properties --file-name metadata.json
kafka-meta import --file-name metadata.json --dest-config new.properties --only topics,groups --commit
# The new cluster has other topics, too.
kafka-meta verify --file-name metadata.json --dest-config new.properties --only topics,groups --ignore-extra
