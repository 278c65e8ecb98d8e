"""kafka-meta moves what a Kafka cluster knows about itself to another cluster, and checks that it arrived.

A module imports only modules above it in this list; `tests/test_house.py` holds that.

    errors       the one error class users meet, exit statuses
    model        what is on a cluster, as values
    events       what verbs report while they work
    playground/  real clusters on loopback, for the demo and the tests
"""

__version__ = "0.1.0"
