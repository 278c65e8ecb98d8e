#!/bin/sh
# Only one team's topics and groups, and the ACLs that belong to them.
set -eu

kafka-meta export --file-name team.json --include-topics 'orders|billing' --include-groups 'billing-.*'
kafka-meta import --file-name team.json --only topics,groups,acls --commit
# What other teams have on the destination is no difference.
kafka-meta verify --file-name team.json --only topics,groups,acls --ignore-extra
