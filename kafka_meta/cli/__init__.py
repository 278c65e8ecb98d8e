"""The command line.

run.py            from sys.argv to an exit status: errors, the traceback of a defect
signals.py        ^C and SIGTERM as exceptions of the main thread, whatever it waits for
spelling.py       words as people type them → the options that we declare
wording.py        what typer says of words that it does not understand → a sentence in our words
commands/         what may be typed: the commands, their options, help and examples
help.py           a command that is loaded when it is needed; how help looks
options.py        groups of options that several commands share
session.py        one command line: its screen, what was typed, the settings that follow
screen.py         standard output carries the result, standard error the conversation
metadata_file.py  the metadata file by its name, or by the names that export gives it
check.py, export.py, imports.py, verify.py, vendor.py, mirror/, evaluate.py, demo.py: what each command does
"""

from kafka_meta.cli.run import main as main
