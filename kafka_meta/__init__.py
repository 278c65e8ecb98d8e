"""kafka-meta moves what a Kafka cluster knows about itself to another cluster, and checks that it arrived.

    ZooKeeper ─┐
               ├─ read ──▶ Snapshot ──▶ file ──▶ Snapshot ─ reshape ─▶ Desired ─ compare ─▶ Plan ─ apply ─▶ Results
    brokers ───┘              └──▶ stats ──▶ evaluate(needs, catalogue) ──▶ Recommendation
                            Snapshot ──▶ unread Ranges ──▶ copy ──▶ verify ──▶ positions ──▶ apply

Two walks through the house; neither comes through a room twice, but for the client that reads and writes:

    a batch              wire (Fetch) ─▶ logs ─▶ mirror ─▶ batches ─▶ journal (what will be sent) ─▶ wire (Produce)
    a committed offset   cluster (reads) ─▶ export ─▶ ranges ─▶ mirror ─▶ journal (its rank) ─▶ apply ─▶ cluster (sets)

Pure functions in the middle, I/O at both ends. A module imports only modules above it in this list, and each
third-party client has one room; `tests/house/test_house.py` reads the list from here and holds the rule.

    errors       the one error class users meet, exit statuses
    quantities   units and amounts as people type them: one table; pure
    model        what is on a cluster, as values
    events       what verbs report while they work
    plan         reshape(source, policy, home) → Desired; compare(desired, actual) → Plan of Actions; pure
    ranges       Snapshot → unconsumed Ranges; pure
    batches      record batches as bytes: read headers, forward, trim, rebuild; pure
    sizing       needs from statistics, evaluated against a catalogue; pure
    files        JSON ⇄ types, schema validation, atomic writes
    settings     flags, environment, toml and properties → ClusterSettings, each value with its origin
    host         this machine: running brokers and their configuration, figures
    metrics      Prometheus and Jolokia endpoints
    zookeeper    what ZooKeeper tells (kazoo)
    wire         requests that librdkafka does not offer, raw batches (kafka-python)
    logs         partitions' logs as they are stored: one reader for copy, check and look
    cluster      what the brokers tell and take: Reader, Writer (confluent-kafka)
    stats        collects the statistics for sizing
    export       readers → one Snapshot
    apply        Plan and Writer → Results
    journal      a migration's resume state
    verify       compares data
    mirror       Ranges → copy
    manual       pages of `kafka-meta help TOPIC`
    documents    what was found and done → the JSON documents that `--output json` prints
    render       the same → lines for a person
    report       the HTML page
    playground   real clusters on loopback, for the demo and the tests
    cli          what may be typed, and what each command does with it: parse, call, render, exit
"""

__version__ = "0.1.0"
