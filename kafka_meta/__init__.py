"""kafka-meta moves what a Kafka cluster knows about itself to another cluster, and checks that it arrived.

    ZooKeeper ─┐
               ├─ read ──▶ Snapshot ──▶ file ──▶ Snapshot ──▶ compare ──▶ Plan ──▶ apply ──▶ Results
    brokers ───┘              └──▶ stats ──▶ evaluate(needs, catalogue) ──▶ Recommendation
                            Snapshot ──▶ unread Ranges ──▶ copy ──▶ verify ──▶ positions ──▶ apply

Pure functions in the middle, I/O at both ends. A module imports only modules above it in this list, and each
third-party client has one room; `tests/test_house.py` reads the list from here and holds the rule.

    errors       the one error class users meet, exit statuses
    model        what is on a cluster, as values
    events       what verbs report while they work
    plan         compare(desired, actual, policy) → Plan of Actions; pure
    ranges       Snapshot → unconsumed Ranges; pure
    batches      record batches as bytes: read headers, forward, trim, rebuild; pure
    sizing       needs from statistics, evaluated against a catalogue; pure
    files        JSON ⇄ types, schema validation, atomic writes
    settings     flags, environment, toml and properties → ClusterSettings, each value with its origin
    host         this machine: running brokers and their configuration, figures
    metrics      Prometheus and Jolokia endpoints
    zookeeper    what ZooKeeper tells (kazoo)
    wire         requests that librdkafka does not offer, raw batches (kafka-python)
    cluster      what the brokers tell and take: Reader, Writer (confluent-kafka)
    stats        collects the statistics for sizing
    export       readers → one Snapshot
    apply        Plan and Writer → Results
    journal      a migration's resume state
    verify       compares data
    mirror       Ranges → copy
    render       any document → terminal, plain lines or JSON
    report       the HTML page
    playground   real clusters on loopback, for the demo and the tests
    cli          one file a command: parse, call, render, exit
"""

__version__ = "0.1.0"
