"""What a command has found and done → the JSON document that `--output json` prints; a file a document.

    check.py            whether both clusters can be reached            schemas/check.schema.json
    export.py           what an export has written                      schemas/export.schema.json
    result.py           what became of each action of an import         schemas/result.schema.json
    verify.py           what differs                                    schemas/verify.schema.json
    mirror.py           what a mirror would copy, and has copied        schemas/mirror.schema.json
    task.py             what a copy that goes on does                   schemas/task.schema.json
    restart.py          what mirror --restart has forgotten             schemas/mirror-restart.schema.json
    recommendation.py   what to buy                                     schemas/recommendation(s).schema.json
    help.py             pages of the manual                             schemas/help.schema.json
    event.py            a line of standard error: progress, waiting     schemas/event.schema.json
    error.py            a line of standard error: why a command ended   schemas/error.schema.json

Documents that are read back are in `files` (metadata, plan). A command imports the documents that it prints, and no
others: each of them needs the rooms of what it describes.
"""
