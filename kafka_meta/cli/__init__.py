"""The command line: one file a command; each parses, calls, renders, exits.

run.py        from sys.argv to an exit status: signals, errors, the traceback of a defect
spelling.py   words as people type them → the options that we declare
options.py    options that several commands share
screen.py     standard output carries the result, standard error the conversation
sides.py      settings of the two clusters; files by their default names
"""

from kafka_meta.cli.run import main as main
