"""JSON ⇄ types: strict reading, validation against `schemas/`, atomic and private writing.

text.py        JSON text ⇄ values; what is not sound JSON is refused with its place
schemas.py     the JSON Schemas that are shipped with the program
passwords.py   users' passwords, name=password lines
writing.py     a file appears whole, with mode 0600, or not at all
metadata.py    Snapshot ⇄ metadata document
plans.py       Plan ⇄ plan document
"""

from kafka_meta.files.metadata import (
    decode_metadata as decode_metadata,
)
from kafka_meta.files.metadata import (
    encode_metadata as encode_metadata,
)
from kafka_meta.files.metadata import (
    read_metadata as read_metadata,
)
from kafka_meta.files.passwords import read_passwords as read_passwords
from kafka_meta.files.passwords import write_passwords as write_passwords
from kafka_meta.files.plans import (
    encode_plan as encode_plan,
)
from kafka_meta.files.plans import (
    read_plan as read_plan,
)
from kafka_meta.files.schemas import schema as schema
from kafka_meta.files.schemas import validate as validate
from kafka_meta.files.text import dumps as dumps
from kafka_meta.files.writing import write_private as write_private
