"""Clusters of every version that we are tested with. The two of the demo are the playground's own.

with brokers.kraft_cluster(brokers=3) as cluster: …
with brokers.zookeeper_cluster("0.10.2.2") as cluster: …
with playground.running(brokers.design("1.1.1", "zookeeper"), DEST) as (source, dest): …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka_meta import playground
from kafka_meta.model import Mode
from kafka_meta.playground import Cluster, Design, jars
from kafka_meta.playground.design import release

POM = Path(__file__).with_name("brokers-pom.xml")
OLD_VERSIONS = jars.versions(POM)
VERSIONS = (*OLD_VERSIONS, *jars.versions())


def fetch(version: str) -> Path:
    """The folder with the jars of a version."""
    return jars.fetch(version, _pom(version))


def design(version: str, mode: Mode, *, settings: Mapping[str, str] | None = None, **further: Any) -> Design:
    """A cluster of any version. The arguments are those of `Design`."""
    # AclAuthorizer came with 2.4.
    older = {"authorizer.class.name": "kafka.security.auth.SimpleAclAuthorizer"} if release(version) < (2, 4) else {}
    authorizer = older if further.get("authorizer", True) else {}
    return Design(version=version, mode=mode, pom=_pom(version), settings={**authorizer, **(settings or {})}, **further)


def _pom(version: str) -> Path:
    return POM if version in OLD_VERSIONS else jars.POM


@contextmanager
def zookeeper_cluster(
    version: str = "3.9.1",
    *,
    brokers: int = 1,
    chroot: str = "",
    authorizer: bool = True,
    settings: Mapping[str, str] | None = None,
    listeners: Mapping[str, str] | None = None,
    jvm_options: Sequence[str] = (),
    zookeeper_settings: Mapping[str, str] | None = None,
    zookeeper_jvm_options: Sequence[str] = (),
) -> Iterator[Cluster]:
    """ZooKeeper 3.8.4 and brokers of any version up to 3.9.1. The arguments are those of `Design`."""
    made = design(
        version,
        "zookeeper",
        brokers=brokers,
        chroot=chroot,
        authorizer=authorizer,
        settings=settings,
        listeners=listeners or {},
        jvm_options=jvm_options,
        zookeeper_settings=zookeeper_settings or {},
        zookeeper_jvm_options=zookeeper_jvm_options,
    )
    with playground.running(made) as (cluster,):
        yield cluster


@contextmanager
def kraft_cluster(
    version: str = "4.3.1",
    *,
    brokers: int = 1,
    authorizer: bool = True,
    settings: Mapping[str, str] | None = None,
    listeners: Mapping[str, str] | None = None,
    jvm_options: Sequence[str] = (),
) -> Iterator[Cluster]:
    """Combined controllers and brokers. The arguments are those of `Design`."""
    made = design(
        version,
        "kraft",
        brokers=brokers,
        authorizer=authorizer,
        settings=settings,
        listeners=listeners or {},
        jvm_options=jvm_options,
    )
    with playground.running(made) as (cluster,):
        yield cluster
