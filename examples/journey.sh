#!/bin/sh
# A whole cluster: look, export, plan, commit, verify.
# OLD, OLD_ZK and NEW are addresses: OLD=old:9092 OLD_ZK=old-zk:2181/kafka NEW=new:9092 sh journey.sh
set -eu

kafka-meta check --source-bootstrap-servers "$OLD" --source-zk-connect "$OLD_ZK" --dest-bootstrap-servers "$NEW"
kafka-meta export --source-bootstrap-servers "$OLD" --source-zk-connect "$OLD_ZK" --fileName metadata.json

# Look at the plan, have it reviewed, then carry out exactly that plan.
kafka-meta import --dest-bootstrap-servers "$NEW" --save-plan plan.json
kafka-meta import --dest-bootstrap-servers "$NEW" --plan-file plan.json --commit

kafka-meta verify --dest-bootstrap-servers "$NEW"
