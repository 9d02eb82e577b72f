"""What the desk promises, without Kafka: python3 -m unittest discover examples/router"""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from desk import CALLED, CLAIMED, DONE, QUEUED, WITHDRAWN, Desk, NotAnAction, Policy, format_time, may_call, outcome, parse_time

NOON = parse_time("2026-11-24T12:00:00.000Z")


def message(action_id="a1", revision=0, kind="requested", priority=400, expires=NOON + 300, customer="c1", **route):
    """A record of the action topic."""
    return json.dumps({
        "specversion": "1.0", "id": f"{action_id}-{revision}", "source": "/cxwatch/demo", "type": f"action.{kind}",
        "subject": customer, "time": "2026-11-24T12:00:00.000Z", "expirytime": format_time(expires),
        "data": {"action_id": action_id, "revision": revision, "route": {"priority": priority, "partition": 3, **route}},
    }).encode()


def desk(*records, **more):
    """A desk that has taken these records, from offset 0 on."""
    made = Desk(3, **more)
    for offset, record in enumerate(records):
        made.apply(record, offset)
    return made


def order(made, now=NOON):
    """Takes all who are to be called, in their order."""
    ids = []
    while action := made.peek(now):
        ids.append(action.id)
        action.state = CLAIMED
    return ids


class Queue(unittest.TestCase):
    def test_the_highest_priority_comes_first_and_among_equals_what_expires_first(self):
        made = desk(message("low", priority=100), message("late", priority=700, expires=NOON + 900), message("soon", priority=700))
        self.assertEqual(order(made), ["soon", "late", "low"])

    def test_nobody_is_in_the_queue_twice(self):
        made = desk(message(), message(revision=1, kind="updated", priority=900), message(revision=1, kind="updated"))
        self.assertEqual(order(made), ["a1"])

    def test_an_update_moves_it_up(self):
        made = desk(message("a", priority=500), message("b", priority=100), message("b", 1, "updated", priority=600))
        self.assertEqual(order(made), ["b", "a"])

    def test_what_has_expired_is_not_called(self):
        made = desk(message("gone", expires=NOON), message("here", expires=NOON + 0.1))
        self.assertEqual(order(made), ["here"])
        self.assertEqual(made.actions["gone"].state, WITHDRAWN)

    def test_an_update_may_lengthen_its_life(self):
        made = desk(message(expires=NOON - 1))
        self.assertIsNone(made.peek(NOON))
        made.apply(message(revision=1, kind="updated", expires=NOON + 9), 1)
        self.assertEqual(order(made), ["a1"])


class Revisions(unittest.TestCase):
    def test_only_a_higher_revision_counts(self):
        made = desk(message(), message(revision=1, kind="revoked"))
        self.assertIsNone(made.apply(message(), 2), "an old request, read again")
        self.assertEqual(order(made), [])
        self.assertIsNotNone(made.apply(message(revision=2), 3), "found again")
        self.assertEqual(order(made), ["a1"])

    def test_a_revocation_that_comes_first_is_remembered(self):
        made = desk(message(revision=1, kind="revoked"), message())
        self.assertEqual(order(made), [])

    def test_whoever_was_claimed_is_not_queued_again(self):
        made = desk(message())
        action = made.peek(NOON)
        for state in (CLAIMED, CALLED, DONE):
            action.state = state
            made.apply(message(revision=action.revision + 1, kind="revoked"), 1)
            made.apply(message(revision=action.revision + 1), 2)
            self.assertIsNone(made.peek(NOON))

    def test_a_kind_that_is_not_known_changes_nothing_but_the_revision(self):
        made = desk(message(), message(revision=1, kind="pondered"))
        self.assertEqual((made.actions["a1"].revision, order(made)), (1, ["a1"]))


class LastMoment(unittest.TestCase):
    def test_a_revocation_after_the_claim_prevents_the_call(self):
        for kind in ("revoked", "expired"):
            made = desk(message())
            action = made.peek(NOON)
            action.state = CLAIMED
            self.assertTrue(may_call(action, NOON))
            made.apply(message(revision=1, kind=kind), 1)
            self.assertFalse(may_call(action, NOON), kind)

    def test_so_does_the_end_of_its_life(self):
        action = desk(message()).peek(NOON)
        action.state = CLAIMED
        self.assertTrue(may_call(action, NOON + 299))
        self.assertFalse(may_call(action, NOON + 300))


class Restart(unittest.TestCase):
    def recovered(self, *kinds):
        former = desk(message()).actions["a1"]
        made = Desk(3)
        for kind in kinds:
            made.recover(outcome(kind, former, "/router/r", NOON))
        made.apply(message(), 0)
        return made

    def test_what_was_answered_is_not_called_again(self):
        for kinds in (["declined"], ["accepted", "contacted", "saved"], ["accepted", "failed"]):
            made = self.recovered(*kinds)
            self.assertEqual((order(made), made.interrupted(), made.safe_offset()), ([], [], 1), kinds)

    def test_what_was_claimed_is_given_up_and_not_called_again(self):
        for kinds in (["accepted"], ["accepted", "contacted"]):
            made = self.recovered(*kinds)
            self.assertEqual((order(made), [a.id for a in made.interrupted()]), ([], ["a1"]), kinds)
            self.assertEqual(made.safe_offset(), 0, "not dealt with until the outcome is committed")

    def test_an_end_stays_the_end(self):
        self.assertEqual(self.recovered("accepted", "saved", "contacted").interrupted(), [])

    def test_the_oldest_that_is_not_dealt_with_is_read_again(self):
        made = desk(message("a"), message("b"), message("c"))
        self.assertEqual(made.safe_offset(), 0)
        made.actions["a"].state = DONE
        self.assertEqual(made.safe_offset(), 1)
        made.apply(message("b", 1, "revoked"), 3)
        self.assertEqual(made.safe_offset(), 2)
        made.actions["c"].state = DONE
        made.reached(9)
        self.assertEqual(made.safe_offset(), 9)


class Records(unittest.TestCase):
    def test_what_is_no_action_is_named_and_left_behind(self):
        made = Desk(3)
        wrong = [None, b"", b"{", b"[]", b"7", b"{}", b'{"type":"order.placed","data":{}}', message().replace(b"expirytime", b"x"),
                 message().replace(b'"route": {', b'"route": [{').replace(b'}}}', b'}]}}'), b"\xff"]
        for offset, record in enumerate(wrong):
            with self.assertRaises(NotAnAction, msg=record):
                made.apply(record, offset)
        self.assertEqual((made.position, made.actions), (len(wrong), {}))

    def test_an_outcome_names_its_action_and_goes_back_to_its_partition(self):
        action = desk(message()).actions["a1"]
        said = outcome("saved", action, "/router/r", NOON, value=12.5, reason=None)
        self.assertEqual((said["id"], said["type"], said["subject"]), ("a1-saved", "outcome.saved", "c1"))
        self.assertEqual(said["time"], "2026-11-24T12:00:00.000Z")
        self.assertEqual(said["data"], {"action_id": "a1", "revision": 0, "partition": 3, "value": 12.5})


class Draw(unittest.TestCase):
    def test_it_is_the_same_for_the_same_seed_and_about_as_stated(self):
        policy = Policy(seed=7, declined=10, saved=60)
        drawn = [policy.draw(f"a{n}") for n in range(2000)]
        self.assertEqual(drawn, [Policy(7, 10, 60).draw(f"a{n}") for n in range(2000)])
        self.assertNotEqual(drawn, [Policy(8, 10, 60).draw(f"a{n}") for n in range(2000)])
        for kind, share in (("declined", 0.1), ("saved", 0.54), ("failed", 0.36)):
            self.assertAlmostEqual(drawn.count(kind) / 2000, share, delta=0.04)

    def test_all_and_nothing(self):
        self.assertEqual({Policy(1, 100, 0).draw(f"{n}") for n in range(99)}, {"declined"})
        self.assertEqual({Policy(1, 0, 100).draw(f"{n}") for n in range(99)}, {"saved"})
        self.assertEqual({Policy(1, 0, 0).draw(f"{n}") for n in range(99)}, {"failed"})


class CommandLine(unittest.TestCase):
    """Where the client library is installed."""

    def run_router(self, *arguments):
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "router.py")
        return subprocess.run([sys.executable, program, *arguments], capture_output=True, text=True, timeout=60, check=False)

    def setUp(self):
        try:
            import confluent_kafka  # noqa: F401
        except ImportError:
            self.skipTest("confluent-kafka is not installed")

    def test_help(self):
        answer = self.run_router("--help")
        self.assertEqual(answer.returncode, 0)
        self.assertIn("--bootstrap", answer.stdout)

    def test_wrong_arguments_are_named(self):
        for arguments, said in ((["--agents", "3"], "--bootstrap"), (["--bootstrap", "b:1", "--saved", "101"], "percentage"),
                                (["--bootstrap", "b:1", "--property", "x"], "NAME=VALUE"), (["--bootstrap", "b:1", "--agents", "0"], "at least 1")):
            answer = self.run_router(*arguments)
            self.assertEqual(answer.returncode, 2)
            self.assertIn(said, answer.stderr)


if __name__ == "__main__":
    unittest.main()
