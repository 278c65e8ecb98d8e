#!/bin/sh
# One team's topics move onto a shared cluster, under the team's own prefix.
set -eu

kafka-meta export --source-bootstrap-servers "$OLD" --fileName team.json --include-topics 'orders|billing' --include-groups 'billing-.*'
kafka-meta import --fileName team.json --dest-bootstrap-servers "$NEW" --rename '(.*)=shop.\1' --only topics,groups --commit
# What the other teams have there is no difference.
kafka-meta verify --fileName team.json --dest-bootstrap-servers "$NEW" --rename '(.*)=shop.\1' --only topics,groups --ignore-extra
