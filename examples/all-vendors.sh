#!/bin/sh
# All vendors side by side, from your own figures.
set -eu

kafka-meta evaluate --peak-traffic 20 --disk 500 --topics 60 --partitions 800 --replicas 3 \
    --server-version 2.2.0 --provider all ||
    echo "not every answer is complete: see the notes" >&2
