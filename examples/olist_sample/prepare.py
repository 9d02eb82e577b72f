#!/usr/bin/env python3
"""Joins the tables of the marketplace into one file for each feed.

    prepare.py DATA_DIR OUT_DIR

A mapping sees one row at a time. The customer of an order stands in another table, the time by which its sellers must
hand it over in a third, and a review names its order only. Written are orders.csv (orders with customer_unique_id and
the latest shipping_limit_date of their items) and reviews.csv (reviews with customer_unique_id)."""
import csv
import os
import sys


def read(directory, name):
    path = os.path.join(directory, f"olist_{name}_dataset.csv")
    with open(path, newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def write(directory, name, columns, rows):
    with open(os.path.join(directory, name), "w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def main():
    source, target = sys.argv[1:]
    people = {row["customer_id"]: row["customer_unique_id"] for row in read(source, "customers")}
    ship_by = {}
    for item in read(source, "order_items"):
        order, limit = item["order_id"], item["shipping_limit_date"]
        ship_by[order] = max(ship_by.get(order, ""), limit)
    orders = list(read(source, "orders"))
    for order in orders:
        # An order whose buyer is in no table is still an order: its own number stands for the buyer.
        order["customer_unique_id"] = people.get(order["customer_id"], order["customer_id"])
        order["shipping_limit_date"] = ship_by.get(order["order_id"], "")
    buyers = {order["order_id"]: order["customer_unique_id"] for order in orders}
    reviews = list(read(source, "order_reviews"))
    for review in reviews:
        review["customer_unique_id"] = buyers.get(review["order_id"], review["order_id"])
    columns = ["order_id", "customer_unique_id", "order_status", "order_purchase_timestamp", "order_approved_at",
               "order_delivered_carrier_date", "order_delivered_customer_date", "order_estimated_delivery_date",
               "shipping_limit_date"]
    write(target, "orders.csv", columns, orders)
    columns = ["review_id", "order_id", "customer_unique_id", "review_score", "review_answer_timestamp"]
    write(target, "reviews.csv", columns, reviews)


if __name__ == "__main__":
    main()
