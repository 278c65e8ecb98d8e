#!/bin/sh
# One person makes the plan, another one reviews it, and exactly that plan is carried out.
set -eu

kafka-meta export --file-name metadata.json
kafka-meta import --file-name metadata.json --save-plan plan.json

# Now review plan.json. This shows it again, against the destination as it is by then:
kafka-meta import --plan-file plan.json

# Refused as a whole if the destination has changed meanwhile in its way.
kafka-meta import --plan-file plan.json --commit
kafka-meta verify --file-name metadata.json
