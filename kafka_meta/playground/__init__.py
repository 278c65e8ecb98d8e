"""Real ZooKeeper and Kafka on loopback, for the demo and the tests.

    with playground.pair() as (source, dest):
        source.bootstrap_servers, source.zookeeper_connect, dest.bootstrap_servers

Everything runs on 127.0.0.1 on free ports in a temporary directory, and everything ends with the `with` block: after an
exception, after ^C, after a failed start, and when our own process is killed (see `guard`). Brokers come from Maven
by `pom.xml` next to this file, once, into the user's cache folder.
"""

from kafka_meta.playground.cluster import Broker, Cluster, kraft_cluster, pair, prepare, running, zookeeper_cluster
from kafka_meta.playground.design import Design
from kafka_meta.playground.detached import DetachedPair, detached_pair, kept_pair, stop_detached
from kafka_meta.playground.jars import VERSIONS, fetch
from kafka_meta.playground.process import free_port

__all__ = [
    "VERSIONS",
    "Broker",
    "Cluster",
    "Design",
    "DetachedPair",
    "detached_pair",
    "fetch",
    "free_port",
    "kept_pair",
    "kraft_cluster",
    "pair",
    "prepare",
    "running",
    "stop_detached",
    "zookeeper_cluster",
]
