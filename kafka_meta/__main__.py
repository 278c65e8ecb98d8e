"""`python -m kafka_meta`: the same as `kafka-meta`."""

from kafka_meta.cli import main

main()
