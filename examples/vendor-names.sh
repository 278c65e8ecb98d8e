#!/bin/sh
# The same jobs under the names, and with the options, of a cloud vendor's migration tool.
set -eu

kafka-meta MigrationFromZk --targetDirectory . --fileName metadata.json --commit
kafka-meta TopicMigrationFromZk --commit
kafka-meta ConsumerGroupMigrationFromTopic --commit
kafka-meta verify --fileName metadata.json --only topics,groups
