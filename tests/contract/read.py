"""Reads what the service wrote to Apache Kafka with the CloudEvents SDK for Python.

    python read.py --bootstrap HOST:PORT [--actions TOPIC] [--suppressions TOPIC] [--outcomes TOPIC] [--dead-letters TOPIC] --out RECORDS.jsonl

Each record of the first three must be a CloudEvent to the SDK, in structured mode, keyed by its subject, in the partition that
Java's clients would choose (murmur2) and, for actions, that the route names. All records are written to RECORDS.jsonl under
the topics' default names, for validate.mjs. Prints how many there were of each type.
"""

import argparse
import collections
import json
import sys
from datetime import timedelta

from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event, to_structured_event
from confluent_kafka import Consumer, KafkaError, TopicPartition

TOPICS = {"actions": "cx.actions.v1", "suppressions": "cx.suppressions.v1", "outcomes": "cx.outcomes.v1", "dead_letters": "cx.dead-letters.v1"}


def murmur2(data: bytes) -> int:
    """As Apache Kafka's clients for Java hash keys."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) - len(data) % 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at:at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def records(bootstrap, topic):
    """Everything committed in a topic, and how many partitions it has."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "contract-reader", "enable.auto.commit": False, "enable.partition.eof": True,
        "isolation.level": "read_committed", "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50,
    })
    count = len(consumer.list_topics(topic, 30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(count)])
    found, ended = [], set()
    while len(ended) < count:
        for record in consumer.consume(500, 30):
            if not record.error():
                found.append(record)
            elif record.error().code() == KafkaError._PARTITION_EOF:
                ended.add(record.partition())
            else:
                sys.exit(f"{topic}: {record.error().str()}")
    consumer.close()
    return found, count


def check(record, partitions):
    """The event, or an AssertionError."""
    headers = {name: value for name, value in record.headers() or []}
    assert headers.get("content-type") == b"application/cloudevents+json", headers
    message = KafkaMessage(headers=headers, key=record.key(), value=record.value())
    event = from_kafka_event(message)
    data = event.get_data()
    assert event.get_specversion() == "1.0"
    assert event.get_subject().encode() == record.key(), "the key is the customer"
    assert event.get_time().utcoffset() == timedelta(0)
    assert event.get_datacontenttype() == "application/json"
    assert isinstance(data, dict)
    assert (murmur2(record.key()) & 0x7FFFFFFF) % partitions == record.partition(), "where Java's clients would put it"
    if event.get_type().startswith("action.") and event.get_type() != "action.suppressed":
        assert event.get_id() == f"{data['action_id']}-{data['revision']}"
        assert data["route"]["partition"] == record.partition()
        assert len(json.dumps(data["route"])) < 2048
        assert event.get_extension("expirytime")
    # What the SDK writes again says the same.
    again = from_kafka_event(to_structured_event(event, key_mapper=lambda e: e.get_subject()))
    assert (again.get_attributes(), again.get_data()) == (event.get_attributes(), data)
    return event


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--out", required=True)
    for name in TOPICS:
        parser.add_argument("--" + name.replace("_", "-"))
    args = parser.parse_args()
    counts, wrong = collections.Counter(), 0
    with open(args.out, "w", encoding="utf-8") as out:
        for name, topic in TOPICS.items():
            if not getattr(args, name):
                continue
            found, partitions = records(args.bootstrap, getattr(args, name))
            for record in found:
                kind = "record.rejected"
                if name != "dead_letters":
                    try:
                        kind = check(record, partitions).get_type()
                    except Exception as error:  # whatever the SDK does not like
                        wrong += 1
                        print(f"{topic}, partition {record.partition()}, offset {record.offset()}: {error!r}", file=sys.stderr)
                        continue
                counts[kind] += 1
                value = record.value() and record.value().decode(errors="replace")
                line = {
                    "topic": topic, "key": (record.key() or b"").decode(errors="replace"),
                    "headers": {name: value.decode(errors="replace") for name, value in record.headers() or []},
                    "value": value if name == "dead_letters" else json.loads(value),
                }
                out.write(json.dumps(line) + "\n")
    for kind, count in sorted(counts.items()):
        print(count, kind)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
