#!/usr/bin/env python3
"""Puts the city's export, one file for each kind of problem, into one CSV in the order of case numbers.

    prepare.py CASES_DIR > cases.csv

Requests about the same place are sometimes made in the same second. Which of them came first, the case number says; the
files do not keep that order."""
import csv
import glob
import os
import sys

COLUMNS = ["CASE_ENQUIRY_ID", "OPEN_DT", "TARGET_DT", "CLOSED_DT", "TYPE", "Source", "Property_ID", "Location"]


def main():
    rows = []
    for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.csv"))):
        with open(path, newline="", encoding="utf-8") as file:
            rows += [[row[name] for name in COLUMNS] for row in csv.DictReader(file)]
    rows.sort(key=lambda row: row[0])
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(COLUMNS)
    out.writerows(rows)


if __name__ == "__main__":
    main()
