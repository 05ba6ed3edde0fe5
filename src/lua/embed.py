"""Writes a file as a C++ string literal: embed.py INPUT OUTPUT."""

import json
import sys

with open(sys.argv[1], encoding="ascii") as source:
    lines = source.read().splitlines(keepends=True)
with open(sys.argv[2], "w", encoding="ascii") as target:
    target.writelines(json.dumps(line) + "\n" for line in lines)
