"""Real ZooKeeper and Kafka on loopback, for the demo and the tests.

    with playground.pair() as (source, dest):
        source.bootstrap_servers, source.zookeeper_connect, dest.bootstrap_servers

Everything runs on 127.0.0.1 on free ports in a temporary directory, and everything ends with the `with` block: after an
exception, after ^C, after a failed start, and when our own process is killed (see `guard`). Brokers come from Maven
by `pom.xml` next to this file, once, into the user's cache folder. The tests run further versions by a pom of their
own (`tests/support/brokers.py`).
"""

from kafka_meta.playground.cluster import Broker, Cluster, pair, prepare, running
from kafka_meta.playground.design import DEST, SOURCE, Design
from kafka_meta.playground.detached import DetachedPair, detached_pair, kept_pair, stop_detached
from kafka_meta.playground.jars import fetch, find_java
from kafka_meta.playground.process import free_port

__all__ = [
    "DEST",
    "SOURCE",
    "Broker",
    "Cluster",
    "Design",
    "DetachedPair",
    "detached_pair",
    "fetch",
    "find_java",
    "free_port",
    "kept_pair",
    "pair",
    "prepare",
    "running",
    "stop_detached",
]
