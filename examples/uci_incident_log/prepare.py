#!/usr/bin/env python3
"""Prepares the incident log: which row begins an incident, and whose incident it is.

    prepare.py INCIDENT_EVENT_LOG.csv > rows.csv

A mapping sees one row at a time, so it cannot know that a row is the first of its incident. This adds a column `first`
(1 or 0), and a column `caller`: the caller whom the first row names (in some rows another one stands in between). Only
the columns that the mapping reads are written; those that tell the future (resolved_at, closed_at, ...) are not."""
import csv
import sys

COLUMNS = ["number", "opened_at", "sys_updated_at", "contact_type", "priority", "made_sla", "reassignment_count", "reopen_count"]
# Two spellings of the source's headers exist.
STATES = ["ident_state", "incident_state"]


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        state = next(name for name in STATES if name in rows.fieldnames)
        out = csv.writer(sys.stdout, lineterminator="\n")
        out.writerow(["first", "caller", "state"] + COLUMNS)
        callers = {}
        for row in rows:
            number = row["number"]
            first = number not in callers
            caller = callers.setdefault(number, row["caller_id"])
            out.writerow([int(first), caller, row[state]] + [row[name] for name in COLUMNS])


if __name__ == "__main__":
    main()
