#!/bin/sh
# Users and quotas. users.txt has lines name=password and mode 0600.
set -eu

# The keys in the file prove that the passwords in users.txt are the right ones.
kafka-meta export --file-name metadata.json --secrets

# Whoever is not in users.txt gets a new password. They are written into new-users.txt.
kafka-meta import --file-name metadata.json --only acls,users,quotas \
    --passwords users.txt --generate-passwords new-users.txt --commit
kafka-meta verify --file-name metadata.json --only acls,users,quotas

# The keys are not needed any more.
rm metadata.json
