"""Which keys of a Java client's `.properties` file are used, which are ignored, and which are refused.

The names are those of AdminClientConfig, ConsumerConfig and ProducerConfig of Kafka 0.10 … 4.3. Added are a property of
the JVM that users put into the same file (`java.security.auth.login.config`) and the keys by which librdkafka would
load code.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CARRIED = _names(
    """
    bootstrap.servers client.id client.dns.lookup request.timeout.ms security.protocol
    sasl.mechanism sasl.jaas.config java.security.auth.login.config
    sasl.login.callback.handler.class sasl.oauthbearer.token.endpoint.url sasl.oauthbearer.scope
    sasl.oauthbearer.client.credentials.client.id sasl.oauthbearer.client.credentials.client.secret
    sasl.oauthbearer.header.urlencode sasl.oauthbearer.jwt.retriever.class
    ssl.endpoint.identification.algorithm ssl.key.password
    ssl.truststore.type ssl.truststore.location ssl.truststore.password ssl.truststore.certificates
    ssl.keystore.type ssl.keystore.location ssl.keystore.password ssl.keystore.key ssl.keystore.certificate.chain
    zookeeper.connect zookeeper.session.timeout.ms zookeeper.connection.timeout.ms zookeeper.digest
    zookeeper.sasl.client zookeeper.sasl.clientconfig
    zookeeper.ssl.client.enable zookeeper.ssl.endpoint.identification.algorithm
    zookeeper.ssl.truststore.type zookeeper.ssl.truststore.location zookeeper.ssl.truststore.password
    zookeeper.ssl.keystore.type zookeeper.ssl.keystore.location zookeeper.ssl.keystore.password
    """
)

LOADS_CODE = _names(
    """
    config.providers interceptor.classes metric.reporters security.providers
    sasl.client.callback.handler.class sasl.login.class sasl.kerberos.kinit.cmd ssl.engine.factory.class
    plugin.library.paths ssl.engine.location ssl.engine.id ssl.providers ssl.provider
    sasl.oauthbearer.jwt.validator.class
    """
)
"""Refused when they have a value: kafka-meta could not connect in the same way, so it must not seem to."""

HARMLESS_CLASSES = {
    "metric.reporters": ("org.apache.kafka.common.metrics.JmxReporter",),
    "ssl.provider": ("SunJSSE",),
    "sasl.oauthbearer.jwt.validator.class": (
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
        "org.apache.kafka.common.security.oauthbearer.ClientJwtValidator",
        "org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator",
    ),
}
"""Values that are Kafka's own defaults."""

CONSUMING_OR_PRODUCING = _names(
    """
    allow.auto.create.topics auto.commit.interval.ms auto.offset.reset check.crcs client.rack enable.auto.commit
    exclude.internal.topics fetch.max.bytes fetch.max.wait.ms fetch.min.bytes group.id group.instance.id group.protocol
    group.remote.assignor heartbeat.interval.ms internal.leave.group.on.close isolation.level key.deserializer
    internal.throw.on.fetch.stable.offset.unsupported
    max.partition.fetch.bytes max.poll.interval.ms max.poll.records partition.assignment.strategy session.timeout.ms
    share.acknowledgement.mode share.acquire.mode value.deserializer
    acks batch.size block.on.buffer.full buffer.memory compression.gzip.level compression.lz4.level compression.type
    compression.zstd.level delivery.timeout.ms enable.idempotence key.serializer linger.ms max.block.ms
    max.in.flight.requests.per.connection max.request.size metadata.max.idle.ms metadata.fetch.timeout.ms
    partitioner.adaptive.partitioning.enable partitioner.availability.timeout.ms partitioner.class
    partitioner.ignore.keys timeout.ms transaction.timeout.ms transaction.two.phase.commit.enable transactional.id
    value.serializer topic
    """
)

TUNING = _names(
    """
    auto.include.jmx.reporter bootstrap.controllers connections.max.idle.ms default.api.timeout.ms enable.metrics.push
    metadata.max.age.ms metadata.recovery.rebootstrap.trigger.ms metadata.recovery.strategy metrics.num.samples
    metrics.recording.level metrics.sample.window.ms receive.buffer.bytes reconnect.backoff.max.ms reconnect.backoff.ms
    retries retry.backoff.max.ms retry.backoff.ms send.buffer.bytes
    socket.connection.setup.timeout.max.ms socket.connection.setup.timeout.ms
    sasl.kerberos.min.time.before.relogin sasl.kerberos.service.name sasl.kerberos.ticket.renew.jitter
    sasl.kerberos.ticket.renew.window.factor sasl.login.connect.timeout.ms sasl.login.read.timeout.ms
    sasl.login.refresh.buffer.seconds sasl.login.refresh.min.period.seconds sasl.login.refresh.window.factor
    sasl.login.refresh.window.jitter sasl.login.retry.backoff.max.ms sasl.login.retry.backoff.ms
    sasl.oauthbearer.assertion.algorithm sasl.oauthbearer.assertion.claim.aud
    sasl.oauthbearer.assertion.claim.exp.seconds sasl.oauthbearer.assertion.claim.iss
    sasl.oauthbearer.assertion.claim.jti.include sasl.oauthbearer.assertion.claim.nbf.seconds
    sasl.oauthbearer.assertion.claim.sub sasl.oauthbearer.assertion.file sasl.oauthbearer.assertion.private.key.file
    sasl.oauthbearer.assertion.private.key.passphrase sasl.oauthbearer.assertion.template.file
    sasl.oauthbearer.clock.skew.seconds sasl.oauthbearer.expected.audience sasl.oauthbearer.expected.issuer
    sasl.oauthbearer.jwks.endpoint.refresh.ms sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms
    sasl.oauthbearer.jwks.endpoint.retry.backoff.ms sasl.oauthbearer.jwks.endpoint.url
    sasl.oauthbearer.scope.claim.name sasl.oauthbearer.sub.claim.name
    ssl.cipher.suites ssl.enabled.protocols ssl.keymanager.algorithm ssl.protocol ssl.secure.random.implementation
    ssl.trustmanager.algorithm
    zookeeper.clientCnxnSocket zookeeper.max.in.flight.requests zookeeper.set.acl zookeeper.ssl.cipher.suites
    zookeeper.ssl.crl.enable zookeeper.ssl.enabled.protocols zookeeper.ssl.ocsp.enable zookeeper.ssl.protocol
    zookeeper.sync.time.ms
    """
)
"""Ignored: they are for the internals of a Java client. Our clients use TLS 1.2 and 1.3, as Java does by default."""

_OAUTH = "org.apache.kafka.common.security.oauthbearer"
KAFKAS_OWN_CLASSES = {
    "sasl.login.callback.handler.class": tuple(
        f"{_OAUTH}.{package}OAuthBearerLoginCallbackHandler" for package in ("", "secured.")
    ),
    "sasl.oauthbearer.jwt.retriever.class": tuple(
        f"{_OAUTH}.{name}JwtRetriever" for name in ("Default", "ClientCredentials", "File")
    ),
}
"""Refused with any other value: kafka-meta could not connect in the same way."""
