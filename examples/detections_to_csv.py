#!/usr/bin/env python3
"""Turns the detections of `cxwatch replay` (JSON lines on standard input) into CSV: rule,key,deadline_ts.

    cxwatch replay ... | detections_to_csv.py RULE=KEY ...

RULE is a rule's id in the rulebook. KEY says what the row is about: `key` (the episode's key), `id` (the id of the event
that the detection is about), or a template over a detection's values such as `{customer}|{measures.row}`. Rules that are
not named are left out, and so is what was retracted. Rule ids are written with underscores."""
import json
import re
import sys
from datetime import datetime, timezone


def value(message, path):
    """The value at a dotted path of a message's data, or its customer; whole numbers without a fraction."""
    if path == "customer":
        return message["subject"]
    found = message["data"]
    for part in path.split("."):
        found = found[part]
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return str(found)


def key_of(message, key):
    if key == "key":
        return message["data"]["key"]
    if key == "id":
        return message["data"]["about"]["id"]
    return re.sub(r"\{([^}]+)\}", lambda m: value(message, m.group(1)), key)


def quoted(text):
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


def plain(text):
    """A time in RFC 3339 as UTC without the zone's letter: `2026-11-24 12:00:00`."""
    time = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    return time.replace(tzinfo=None).isoformat(sep=" ")


def main():
    keys = dict(argument.split("=", 1) for argument in sys.argv[1:])
    found = {}
    for line in sys.stdin:
        message = json.loads(line)
        data = message.get("data", {})
        rule = data.get("rule", {}).get("id") if isinstance(data.get("rule"), dict) else None
        if rule not in keys or data.get("level") != "breach":
            continue
        # Customers may have problems of the same number: the number is the customer's own.
        if message["type"] == "rule.detected":
            row = (rule.replace("-", "_"), key_of(message, keys[rule]), plain(message["time"]))
            found[message["subject"], message["id"]] = row
        elif message["type"] == "rule.retracted":
            found.pop((message["subject"], data["detection_id"]), None)
    print("rule,key,deadline_ts")
    for row in found.values():
        print(",".join(quoted(cell) for cell in row))


if __name__ == "__main__":
    main()
