#!/bin/sh
# A whole cluster: check, export, look, import, verify.
set -eu

kafka-meta check
kafka-meta export --file-name metadata.json
kafka-meta import --file-name metadata.json

# Ends with 1 if a single item failed. verify then tells what is missing.
kafka-meta import --file-name metadata.json --commit ||
    echo "import did not do everything: see above" >&2
kafka-meta verify --file-name metadata.json
