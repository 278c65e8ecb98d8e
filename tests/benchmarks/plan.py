"""What a dry run costs without any cluster: 10,000 topics, 60,000 ACLs, with and without a selection and a rename."""

from __future__ import annotations

import re
import time

from kafka_meta.model import Acl, Selection, Snapshot, Topic
from kafka_meta.plan import Policy, compare, home_of, parse_renames, reshape
from tests.support.snapshots import acl, snapshot, topic

TOPICS = 10_000
TEAMS = 500
POLICIES = {
    "everything": Policy(),
    "all but one team": Policy(selection=Selection(exclude_topics=re.compile(r"team7\..*"))),
    "one team": Policy(selection=Selection(include_topics=re.compile(r"team7\..*"))),
    "everything, renamed": Policy(renames=parse_renames([r"team(\d+)\.(.*)=eu.team\1.\2"])),
}


def main() -> None:
    source, actual = _source(), snapshot(id="dest")
    print(f"\n## A plan of {TOPICS:,} topics and {len(source.acls or ()):,} ACLs\n")
    print("| | reshape | compare |\n| --- | --- | --- |")
    for name, policy in POLICIES.items():
        began = time.process_time()
        desired = reshape(source, policy, home_of(actual))
        reshaped = time.process_time()
        compare(desired, actual)
        print(f"| {name} | {reshaped - began:.1f} s | {time.process_time() - reshaped:.1f} s |")


def _source() -> Snapshot:
    topics: list[Topic] = [topic(f"team{number % TEAMS}.topic{number}") for number in range(TOPICS)]
    rules: list[Acl] = [
        acl(
            "DENY" if number % 10 == 0 else "ALLOW",
            f"User:u{number}",
            ("READ", "WRITE", "DESCRIBE")[number % 3],
            f"TOPIC team{number % TEAMS}.",
            pattern="PREFIXED",
        )
        for number in range(29_500)
    ]
    rules += [
        acl("ALLOW", f"User:u{number}", "READ", f"TOPIC team{number % TEAMS}.topic{number % TOPICS}")
        for number in range(29_500)
    ]
    rules += [acl("DENY", f"User:u{number}", "WRITE", "TOPIC *") for number in range(1_000)]
    return snapshot(topics=topics, acls=rules)


if __name__ == "__main__":
    main()
