#!/usr/bin/env python3
"""Sums up invoice lines to invoices, in the order of time and number.

    prepare.py DATA_DIR > invoices.csv

The source has one row for each line of an invoice; an event is the whole invoice. Invoices of the same minute are put in
the order of their numbers, which the source does not keep. Reads the CSV of the folder; where there is only parquet,
pyarrow must be installed (`pip install pyarrow`)."""
import csv
import glob
import os
import sys
from decimal import Decimal


def lines(directory):
    paths = sorted(glob.glob(os.path.join(directory, "*.csv")))
    if paths:
        for path in paths:
            with open(path, newline="", encoding="utf-8") as file:
                yield from csv.DictReader(file)
        return
    paths = sorted(glob.glob(os.path.join(directory, "*.parquet")))
    if not paths:
        sys.exit(f"{directory}: neither *.csv nor *.parquet")
    try:
        import pyarrow.parquet
    except ImportError:
        sys.exit("there is only parquet here, and no reader for it: pip install pyarrow")
    for path in paths:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                yield {name: "" if value is None else str(value) for name, value in row.items()}


def main():
    invoices = {}
    for line in lines(sys.argv[1]):
        # A return counts for its customer; lines without one are not a return of anybody.
        if line["Invoice"].startswith("C") and not line["Customer ID"]:
            continue
        value = Decimal(line["Quantity"] or 0) * Decimal(line["Price"] or 0)
        invoice = invoices.setdefault(line["Invoice"], [line["InvoiceDate"], line["Customer ID"], Decimal(0)])
        invoice[0] = min(invoice[0], line["InvoiceDate"])
        invoice[1] = invoice[1] or line["Customer ID"]
        invoice[2] += value
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["Invoice", "InvoiceDate", "Customer ID", "Value"])
    for number, (date, customer, value) in sorted(invoices.items(), key=lambda i: (i[1][0], i[0])):
        out.writerow([number, date, customer, value])


if __name__ == "__main__":
    main()
