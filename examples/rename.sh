#!/bin/sh
# Topics and groups get new names. Positions and ACLs follow.
set -eu

kafka-meta export --file-name metadata.json
kafka-meta import --file-name metadata.json --rename '(.*)=eu.\1' --rename 'group:(.*)=eu-\1' --commit
# verify and mirror need the same rules.
kafka-meta verify --file-name metadata.json --rename '(.*)=eu.\1' --rename 'group:(.*)=eu-\1'
