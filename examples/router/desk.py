"""What a router knows and decides, without Kafka and without a clock.

A `Desk` holds the actions of one partition: who is to be called, in which order, and who must not be called (any more).
It is told messages of the action topic, in their order, and what the time is; it answers with outcomes to be sent.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone

# The steps of an action here. An action that was claimed is never called again, whatever happens.
QUEUED, CLAIMED, CALLED, DONE, WITHDRAWN = "queued", "claimed", "called", "done", "withdrawn"

# Outcomes after which nothing more will be done about an action.
FINAL = {"declined", "saved", "failed", "unreachable", "rejected"}


class NotAnAction(ValueError):
    """A record of the action topic that is not what the contract says."""


def parse_time(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 instant."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def format_time(seconds: float) -> str:
    """An instant as RFC 3339 in UTC with milliseconds."""
    instant = datetime.fromtimestamp(seconds, timezone.utc)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


@dataclass
class Action:
    """What is known of one action."""

    id: str
    customer: str
    revision: int
    route: dict
    expires: float
    # Of the newest message about it.
    offset: int
    state: str = QUEUED
    # Whether it was withdrawn after it had been claimed.
    withdrawn: bool = False


@dataclass(frozen=True)
class Policy:
    """How calls end: drawn for each action by its id, so that a restart draws the same. Shares in percent."""

    seed: int = 1
    declined: int = 10
    saved: int = 60

    def draw(self, action_id: str) -> str:
        """`declined`, `saved` or `failed`."""
        digest = hashlib.sha256(f"{self.seed} {action_id}".encode()).digest()
        percent = int.from_bytes(digest[:8], "big") % 100
        if percent < self.declined:
            return "declined"
        # The rest of the percent, spread over 0..99 again.
        rest = (percent - self.declined) * 100 // max(1, 100 - self.declined)
        return "saved" if rest < self.saved else "failed"


@dataclass
class Desk:
    """The actions of one partition."""

    partition: int
    policy: Policy = field(default_factory=Policy)
    actions: dict[str, Action] = field(default_factory=dict)
    # Actions whose outcomes were found when the partition was taken over: the last outcome of each.
    answered: dict[str, str] = field(default_factory=dict)
    # Everything before this offset is known: behind the newest record, or behind transaction markers at the end.
    position: int = 0
    _heap: list = field(default_factory=list)

    def recover(self, outcome: dict) -> None:
        """Learns, before the first action, what a former life of this router has answered."""
        data = outcome.get("data") or {}
        kind = str(outcome.get("type", "")).removeprefix("outcome.")
        known = self.answered.get(data.get("action_id"))
        if data.get("action_id") and known not in FINAL:
            self.answered[data["action_id"]] = kind

    def apply(self, value: bytes | None, offset: int) -> Action | None:
        """Takes a record; `None` if it says nothing new.

        Raises `NotAnAction` if it is no action; the position has moved past it then, too.
        """
        self.reached(offset + 1)
        try:
            message = json.loads(value or b"null")
            kind, data = message["type"], message["data"]
            action_id, revision = data["action_id"], int(data["revision"])
            customer, expires = message["subject"], parse_time(message["expirytime"])
            route = data["route"]
            if not kind.startswith("action.") or not isinstance(route, dict):
                raise KeyError(kind)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotAnAction(f"partition {self.partition}, offset {offset}: {error!r}") from error
        known = self.actions.get(action_id)
        if known and revision <= known.revision:
            # A message that we have had: records may be read again after a restart.
            return None
        action = known or Action(action_id, customer, revision, route, expires, offset, self._first_state(action_id))
        action.revision, action.expires, action.offset = revision, expires, offset
        if kind in ("action.revoked", "action.expired"):
            action.withdrawn = True
            if action.state == QUEUED:
                action.state = WITHDRAWN
        elif kind in ("action.requested", "action.updated"):
            action.route, action.withdrawn = route, False
            if action.state == WITHDRAWN:
                # Found again.
                action.state = QUEUED
        # A kind that later versions may add changes nothing but the revision.
        self.actions[action_id] = action
        if action.state == QUEUED:
            entry = (-int(action.route.get("priority", 0)), action.expires, action.id, action.revision)
            heapq.heappush(self._heap, entry)
        return action

    def reached(self, offset: int) -> None:
        """There is nothing more before this offset."""
        self.position = max(self.position, offset)

    def _first_state(self, action_id: str) -> str:
        last = self.answered.get(action_id)
        if last is None:
            return QUEUED
        return DONE if last in FINAL else CLAIMED

    def peek(self, now: float) -> Action | None:
        """Whose turn it is: the highest priority, among equals what expires first. Forgets what has expired."""
        while self._heap:
            _, _, action_id, revision = self._heap[0]
            action = self.actions.get(action_id)
            if action is None or action.state != QUEUED or action.revision != revision:
                heapq.heappop(self._heap)
            elif action.expires <= now:
                action.state = WITHDRAWN
                heapq.heappop(self._heap)
            else:
                return action
        return None

    def rank(self, now: float) -> tuple | None:
        """To compare the desks of several partitions: smaller is more urgent."""
        action = self.peek(now)
        return action and (-int(action.route.get("priority", 0)), action.expires, action.id)

    def interrupted(self) -> list[Action]:
        """Actions that a former life claimed and did not finish. It may have called: they must be given up, not repeated."""
        claimed = (a for a in self.actions.values() if a.state == CLAIMED and self.answered.get(a.id) not in FINAL)
        return [a for a in claimed if a.id in self.answered]

    def safe_offset(self) -> int:
        """From here on records must be read again after a restart: the oldest that is not dealt with."""
        open_ones = (a.offset for a in self.actions.values() if a.state in (QUEUED, CLAIMED, CALLED))
        return min(open_ones, default=self.position)

    def forget(self, before: float) -> None:
        """Drops what is over and expired before this instant."""
        over = [a.id for a in self.actions.values() if a.state in (DONE, WITHDRAWN) and a.expires < before]
        for action_id in over:
            del self.actions[action_id]


def may_call(action: Action, now: float) -> bool:
    """Whether the customer may be called now. Asked at the last moment, after the claim is committed."""
    return action.state == CLAIMED and not action.withdrawn and action.expires > now


def outcome(kind: str, action: Action, source: str, now: float, **more: object) -> dict:
    """An outcome as a CloudEvent. Its id is the same whenever it is sent again."""
    data = {"action_id": action.id, "revision": action.revision, "partition": action.route.get("partition")}
    data.update({name: value for name, value in more.items() if value is not None})
    return {
        "specversion": "1.0",
        "id": f"{action.id}-{kind}",
        "source": source,
        "type": f"outcome.{kind}",
        "subject": action.customer,
        "time": format_time(now),
        "datacontenttype": "application/json",
        "data": data,
    }
