#!/usr/bin/env python3
"""A small routing system: calls those whom cxwatch wants to be called, each once, and says what came of it.

It reads actions (cx.actions.v1, committed records only), keeps a queue by priority, honours revisions, revocations and
expiry, "calls" by writing a line, and answers with outcomes (cx.outcomes.v1) in the partition that the action names.

Nobody is called twice: an action is claimed first, by an `outcome.accepted` that is committed in one transaction with
the offsets read; only then is the customer called. Whoever is killed between claim and end leaves a claim behind: its
next life finds it in the outcome topic and gives the action up (`outcome.failed`, reason `interrupted`), since nobody can
know whether the telephone had rung. See README.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from dataclasses import dataclass

from desk import CALLED, CLAIMED, DONE, Action, Desk, NotAnAction, Policy, may_call, outcome

try:
    from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
except ImportError:
    sys.exit("router: the package confluent-kafka is missing: pip install -r requirements.txt")

PATIENCE_S = 30.0
# How long an action is remembered after its end.
REMEMBER_S = 600.0


class Failure(Exception):
    """Ends the router, with a sentence for its operator."""


@dataclass
class Call:
    """Somebody is talking."""

    action: Action
    partition: int
    ends: float
    result: str


def percent(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError("expected a percentage from 0 to 100")
    return value


def at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("expected at least 1")
    return value


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError("expected NAME=VALUE")
    return name, value


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    first = __doc__.split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="router", description=first, epilog="Stop it with SIGTERM or Ctrl-C: calls end, then it goes.")
    parser.add_argument("--bootstrap", required=True, metavar="HOST:PORT,...", help="brokers")
    parser.add_argument("--group", default="cx-router", help="consumer group (default: %(default)s)")
    parser.add_argument("--instance", default="0", help="name of this process, different for each that runs at once (default: %(default)s)")
    parser.add_argument("--actions", default="cx.actions.v1", metavar="TOPIC", help="default: %(default)s")
    parser.add_argument("--outcomes", default="cx.outcomes.v1", metavar="TOPIC", help="default: %(default)s")
    parser.add_argument("--agents", type=at_least_one, default=5, help="how many calls at once (default: %(default)s)")
    parser.add_argument("--talk", type=float, default=2.0, metavar="SECONDS", help="how long a call takes (default: %(default)s)")
    parser.add_argument("--declined", type=percent, default=10, metavar="PERCENT", help="how many actions nobody takes (default: %(default)s)")
    parser.add_argument("--saved", type=percent, default=60, metavar="PERCENT", help="how many of the calls go well (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (default: %(default)s)")
    parser.add_argument("--calls", metavar="FILE", help="append each call as a JSON line")
    parser.add_argument("--property", type=pair, action="append", default=[], metavar="NAME=VALUE", help="a client property of librdkafka (security.protocol=..., ...)")
    return parser.parse_args(argv)


class Router:
    """One process of the routing system."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.source = f"/router/{args.group}"
        self.policy = Policy(args.seed, args.declined, args.saved)
        self.desks: dict[int, Desk] = {}
        self.calls: list[Call] = []
        # (partition, action, kind, extra fields) to be committed next; claims are called after that.
        self.outbox: list[tuple[int, Action, str, dict]] = []
        self.log = open(args.calls, "a", encoding="utf-8") if args.calls else None
        self.stopping = False
        self.last_commit = 0.0
        self.committed: dict[int, int] = {}
        common = {"bootstrap.servers": args.bootstrap, "client.id": f"{args.group}-{args.instance}", **dict(args.property)}
        reader = {**common, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        self.consumer = Consumer({
            # A killed process is missed after so long.
            "session.timeout.ms": 6000,
            # An answer that nothing has come must come soon: calls wait for it.
            "fetch.wait.max.ms": 50,
            **reader,
            "group.id": args.group,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "error_cb": self.on_error,
        })
        # Sees what is not committed yet, for the ends of partitions only.
        self.ends = Consumer({**reader, "group.id": f"{args.group}-ends", "isolation.level": "read_uncommitted"})
        self.producer = Producer({
            **common,
            "transactional.id": f"{args.group}-{args.instance}",
            "transaction.timeout.ms": 15000,
            "message.timeout.ms": 10000,
        })

    # --- start and end

    def run(self) -> None:
        self.check_topics()
        # Ends what a former life of this instance has left open.
        retried("register the transactional id", lambda: self.producer.init_transactions(PATIENCE_S))
        self.consumer.subscribe([self.args.actions], on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_revoke)
        say(f"reads {self.args.actions}, answers in {self.args.outcomes}")
        while not (self.stopping and not self.calls and not self.outbox):
            self.step()
        self.consumer.close()
        say("ended")

    def stop(self, *_: object) -> None:
        self.stopping = True

    def on_error(self, error: KafkaError) -> None:
        say(f"{error.name()}: {error.str()}")

    def check_topics(self) -> None:
        try:
            topics = self.ends.list_topics(timeout=PATIENCE_S).topics
        except KafkaException as error:
            raise Failure(f"no answer from {self.args.bootstrap} ({error.args[0].str()}); are the brokers up, and is that their address?") from error
        counts = {}
        for name in (self.args.actions, self.args.outcomes):
            if name not in topics or topics[name].error:
                raise Failure(f"there is no topic {name}; `cxwatch topics create` makes it")
            counts[name] = len(topics[name].partitions)
        if len(set(counts.values())) > 1:
            raise Failure(f"partition counts differ ({counts}): an outcome must go back to the partition of its action")

    # --- partitions come and go

    def on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for at in partitions:
            desk = Desk(at.partition, self.policy)
            count = self.recover(desk)
            self.desks[at.partition] = desk
            say(f"partition {at.partition}: {count} outcomes of former lives")

    def on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {at.partition for at in partitions}
        # Whoever takes over finds the claims and gives those actions up.
        self.calls = [call for call in self.calls if call.partition not in gone]
        self.outbox = [entry for entry in self.outbox if entry[0] not in gone]
        for partition in gone:
            self.desks.pop(partition, None)
            self.committed.pop(partition, None)

    def recover(self, desk: Desk) -> int:
        """Reads the outcomes of a partition up to its end as it is now, open transactions included: they are waited for."""
        at = TopicPartition(self.args.outcomes, desk.partition)
        begin, end = retried("ask for the end", lambda: self.ends.get_watermark_offsets(at, PATIENCE_S))
        reader = Consumer({
            "bootstrap.servers": self.args.bootstrap, **dict(self.args.property), "group.id": f"{self.args.group}-recovery",
            "enable.auto.commit": False, "enable.partition.eof": True, "isolation.level": "read_committed", "auto.offset.reset": "earliest",
        })
        count, position, deadline = 0, begin, time.monotonic() + 4 * PATIENCE_S
        try:
            reader.assign([TopicPartition(self.args.outcomes, desk.partition, begin)])
            while position < end:
                if time.monotonic() > deadline:
                    raise Failure(f"{self.args.outcomes}, partition {desk.partition}: an open transaction does not end")
                for record in reader.consume(500, 0.2):
                    error = record.error()
                    if error and error.code() != KafkaError._PARTITION_EOF:
                        say(f"reading outcomes: {error.str()}")
                        continue
                    # The end's own offset lies behind transaction markers, that of a record does not.
                    position = record.offset() + (0 if error else 1)
                    if not error:
                        count += self.recover_one(desk, record.value())
        finally:
            reader.close()
        return count

    def recover_one(self, desk: Desk, value: bytes | None) -> int:
        try:
            message = json.loads(value or b"null")
            ours = message.get("source") == self.source
        except (ValueError, AttributeError):
            return 0
        if ours:
            desk.recover(message)
        return int(ours)

    # --- one turn

    def step(self) -> None:
        self.read(0.05)
        now = time.time()
        self.give_up_interrupted()
        self.end_calls(now)
        if not self.stopping:
            self.claim(now)
        claims = [(p, a) for p, a, kind, _ in self.outbox if kind == "accepted"]
        if self.outbox or time.monotonic() - self.last_commit > 1.0:
            if not self.commit():
                return
        if claims:
            # Whatever was committed before the claim is known before the call.
            self.catch_up({partition for partition, _ in claims})
            for partition, action in claims:
                self.call(partition, action, now)
        for desk in self.desks.values():
            desk.forget(now - REMEMBER_S)

    def read(self, timeout: float) -> None:
        for record in self.consumer.consume(500, timeout):
            desk, error = self.desks.get(record.partition()), record.error()
            if desk and error and error.code() == KafkaError._PARTITION_EOF:
                # Its offset lies behind transaction markers, which are no records.
                desk.reached(record.offset())
                continue
            if error or not desk:
                if error and error.code() != KafkaError._PARTITION_EOF:
                    say(f"reading actions: {error.str()}")
                continue
            try:
                desk.apply(record.value(), record.offset())
            except NotAnAction as error:
                # One bad record must not stop the others.
                say(f"not an action, left out: {error}")

    def catch_up(self, partitions: set[int]) -> None:
        """Reads actions up to where their partitions end now, as far as it is decided."""
        for partition in partitions:
            at = TopicPartition(self.args.actions, partition)
            # Of a client that reads committed records this is the last stable offset.
            _, end = retried("ask for the end", lambda: self.consumer.get_watermark_offsets(at, PATIENCE_S))
            deadline = time.monotonic() + PATIENCE_S
            while (desk := self.desks.get(partition)) and desk.position < end:
                if time.monotonic() > deadline:
                    raise Failure(f"{self.args.actions}, partition {partition}: offset {end} is not reached")
                self.read(0.02)

    def give_up_interrupted(self) -> None:
        waiting = {action.id for _, action, _, _ in self.outbox}
        for partition, desk in self.desks.items():
            for action in desk.interrupted():
                if action.id not in waiting:
                    self.outbox.append((partition, action, "failed", {"reason": "interrupted"}))

    def end_calls(self, now: float) -> None:
        for call in [call for call in self.calls if call.ends <= now]:
            self.calls.remove(call)
            self.outbox.append((call.partition, call.action, call.result, {"agent_id": "agent"}))

    def claim(self, now: float) -> None:
        free = self.args.agents - len(self.calls)
        free -= sum(1 for entry in self.outbox if entry[2] == "accepted")
        while free > 0:
            ranked = [(rank, p) for p, desk in self.desks.items() if (rank := desk.rank(now))]
            if not ranked:
                return
            partition = min(ranked)[1]
            action = self.desks[partition].peek(now)
            if self.policy.draw(action.id) == "declined":
                action.state = DONE
                self.outbox.append((partition, action, "declined", {"reason": "nobody_free"}))
            else:
                action.state = CLAIMED
                self.outbox.append((partition, action, "accepted", {"agent_id": "agent"}))
                free -= 1

    def call(self, partition: int, action: Action, claimed_at: float) -> None:
        if partition not in self.desks:
            return
        now = time.time()
        if not may_call(action, now):
            action.state = DONE
            self.outbox.append((partition, action, "declined", {"reason": "withdrawn" if action.withdrawn else "expired"}))
            return
        route = action.route
        if self.log:
            line = {
                "called_at": now, "action_id": action.id, "revision": action.revision, "customer": action.customer,
                "partition": partition, "position": self.desks[partition].position, "claimed_at": claimed_at, **{
                    name: route.get(name) for name in ("verb", "channel", "queue", "priority", "sentence")
                },
            }
            self.log.write(json.dumps(line) + "\n")
            self.log.flush()
        say(f"calls {action.customer} by {route.get('channel')} ({route.get('priority')}): {route.get('sentence')}")
        action.state = CALLED
        self.outbox.append((partition, action, "contacted", {"agent_id": "agent"}))
        self.calls.append(Call(action, partition, now + self.args.talk, self.policy.draw(action.id)))

    # --- one transaction: outcomes and offsets

    def commit(self) -> bool:
        """Commits the outbox with the offsets read; `False`: nothing of it was, and it stays for the next turn."""
        self.last_commit = time.monotonic()
        offsets = {partition: desk.safe_offset() for partition, desk in self.desks.items() if desk.position}
        moved = {p: offset for p, offset in offsets.items() if self.committed.get(p) != offset}
        if not moved and not self.outbox:
            return True
        now, sent = time.time(), list(self.outbox)
        # Group and generation go with every claim: a process that has lost its partitions cannot claim.
        offsets = [TopicPartition(self.args.actions, p, offset) for p, offset in offsets.items()]
        try:
            self.producer.begin_transaction()
            for partition, action, kind, more in sent:
                self.send(partition, action, kind, more, now)
            if offsets:
                group = self.consumer.consumer_group_metadata()
                retried("send offsets", lambda: self.producer.send_offsets_to_transaction(offsets, group, PATIENCE_S))
            # Never aborted after a time-out: whether it has committed is unknown then, so it is asked for again.
            retried("commit", lambda: self.producer.commit_transaction(PATIENCE_S))
        except KafkaException as error:
            reason = error.args[0]
            if reason.fatal() or not reason.txn_requires_abort():
                raise Failure(f"cannot commit outcomes: {reason.str()} ({reason.name()})") from error
            say(f"a transaction is given up and tried again: {reason.name()}")
            retried("abort", lambda: self.producer.abort_transaction(PATIENCE_S))
            return False
        self.committed.update(moved)
        self.outbox = self.outbox[len(sent):]
        for partition, action, kind, _ in sent:
            if kind not in ("accepted", "contacted"):
                action.state = DONE
                if partition in self.desks:
                    self.desks[partition].answered[action.id] = kind
        return True

    def send(self, partition: int, action: Action, kind: str, more: dict, now: float) -> None:
        value = json.dumps(outcome(kind, action, self.source, now, **more)).encode()
        headers = {"content-type": "application/cloudevents+json"}
        # Into the partition that the action named, not where a partitioner would put the key.
        target = action.route.get("partition", partition)
        self.producer.produce(self.args.outcomes, value, action.customer.encode(), target, headers=headers)
        self.producer.poll(0)


def retried(what: str, call):
    """Calls again while the client says that this may help."""
    deadline = time.monotonic() + 4 * PATIENCE_S
    while True:
        try:
            return call()
        except KafkaException as error:
            reason = error.args[0]
            if not reason.retriable() or reason.fatal() or time.monotonic() > deadline:
                raise
            say(f"{what}: {reason.name()}, again")
            time.sleep(0.2)


def say(text: str) -> None:
    print(f"router: {text}", flush=True)


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    try:
        router = Router(args)
        signal.signal(signal.SIGTERM, router.stop)
        signal.signal(signal.SIGINT, router.stop)
        router.run()
    except (Failure, OSError) as failure:
        print(f"router: {failure}", file=sys.stderr)
        return 2
    except KafkaException as error:
        print(f"router: {error.args[0].str()} ({error.args[0].name()})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
