#!/usr/bin/env python3
"""Turns the detections of `cxwatch replay` (JSON lines on standard input) into CSV: rule,key,deadline_ts.

    cxwatch replay ... | detections_to_csv.py RULE=KEY ...

RULE is a rule's id in the rulebook. KEY says what the row is about: `key` (the episode's key), `id` (the id of the event
that the detection is about), or a template over a detection's values such as `{customer}|{measures.row}`. Rules that are
not named are left out. A detection that was retracted is left out too. Rule ids are written with underscores."""
import json
import re
import sys
from datetime import datetime, timezone


def value(detection, path):
    """The value at a dotted path; whole numbers without a fraction."""
    for part in path.split("."):
        detection = detection[part]
    if isinstance(detection, float) and detection.is_integer():
        detection = int(detection)
    return str(detection)


def key_of(detection, key):
    if key == "key":
        return detection["key"]
    if key == "id":
        return detection["about"]["id"]
    return re.sub(r"\{([^}]+)\}", lambda m: value(detection, m.group(1)), key)


def quoted(text):
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


def seconds(text):
    """RFC 3339 in UTC without zone and idle milliseconds, as the expectations write it."""
    time = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    return time.replace(tzinfo=None).isoformat(sep=" ")


def main():
    keys = dict(argument.split("=", 1) for argument in sys.argv[1:])
    found = {}
    for line in sys.stdin:
        message = json.loads(line)
        kind = message.get("kind", message.get("type"))
        rule = message.get("rule")
        if rule not in keys or message.get("level", "breach") != "breach":
            continue
        name = (rule, message["customer"], message.get("detection", message.get("id")), message["time"])
        if kind == "retracted":
            found.pop(name, None)
        elif kind == "detected":
            found[name] = (rule.replace("-", "_"), key_of(message, keys[rule]), seconds(message["time"]))
    print("rule,key,deadline_ts")
    for row in found.values():
        print(",".join(quoted(cell) for cell in row))


if __name__ == "__main__":
    main()
