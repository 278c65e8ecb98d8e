#!/bin/sh
# How big must the new cluster be? With what export has measured, and with the peak that you know.
set -eu

kafka-meta export --file-name metadata.json
kafka-meta evaluate --file-name metadata.json --peak-traffic 20 --provider "${PROVIDER:-aws-msk}" ||
    echo "the answer is not complete: the lines with ? and ! tell what to add" >&2
