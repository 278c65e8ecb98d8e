#!/bin/sh
# For a nightly job: ends with 0 if the destination is what the file says, and prints the differences.
set -u

kafka-meta verify --file-name metadata.json --output json > verify.json
status=$?
python3 - verify.json <<'END'
import json
import sys

try:
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
except ValueError:
    sys.exit("verify did not get as far as a report: see the message above")
print(report["verdict"])
for each in report["differences"]:
    print(each["resource"], each["difference"], each["source"], each["dest"], sep="\t")
END
exit $status
