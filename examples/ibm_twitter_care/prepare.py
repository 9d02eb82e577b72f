#!/usr/bin/env python3
"""Makes flat JSON lines of nested conversations, one for each post.

    prepare.py CONVERSATIONS.json ... > posts.jsonl

The last post of a conversation, an agent's with a link, has no time. Its tweet id holds it: the upper bits of a tweet id
are the milliseconds since the beginning of Twitter's epoch. Times are cut to the second, as those of the other posts are.
A post that stands twice in its conversation is written once. Posts of one second come in the order of their ids."""
import json
import sys
from datetime import datetime, timezone

TWITTER_EPOCH_MS = 1288834974657


def time_of_tweet(tweet):
    ms = (int(tweet) >> 22) + TWITTER_EPOCH_MS
    return datetime.fromtimestamp(ms // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def posts(conversation):
    session = conversation["dialogHeader"]["sessionID"]
    found = {}
    for post in conversation["dialogContent"]:
        who = "agent" if "agent" in post else "client"
        found.setdefault(post["tweet_ID"], [post["datetime"], who, post.get("client")])
    last = conversation["agentURL"]["tweet_ID"]
    found.setdefault(last, [time_of_tweet(last), "agent", None])
    customer = next((handle for _, _, handle in found.values() if handle), session)
    for tweet, (time, who, _) in found.items():
        yield {"conversation": session, "customer": customer, "who": who, "tweet": tweet, "time": time}


def main():
    lines = []
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            lines += [post for conversation in json.load(file) for post in posts(conversation)]
    lines.sort(key=lambda post: (post["time"][:19], post["tweet"]))
    for post in lines:
        print(json.dumps(post))


if __name__ == "__main__":
    main()
