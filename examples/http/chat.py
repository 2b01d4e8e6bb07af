"""Two guests chat over HTTP alone, with Python's standard library: python3 examples/http/chat.py [http://localhost:3000]"""
import json
import sys
import time
import urllib.error
import urllib.request
import uuid

API = (sys.argv[1] if len(sys.argv) > 1 else "http://localhost:3000").rstrip("/") + "/api/v1"


def call(session, method, path, body=None):
    """Makes one call. A refusal is application/problem+json; a temporary one is tried again, which is always safe."""
    request = urllib.request.Request(API + path, method=method)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("content-type", "application/json")
    if session is not None:
        request.add_header("authorization", f"Bearer {session['accessToken']}")
    while True:
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            if problem["code"] not in ("unavailable", "internal", "rate_limited", "slow_mode"):
                sys.exit(f"{problem['code']}: {problem['detail']}")
            time.sleep(max(problem.get("retryAfterMs", 0) / 1000, 0.5))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            # Perhaps the request arrived, perhaps not.
            time.sleep(0.5)


class Reader:
    """Follows a conversation by asking for its changes. Misses nothing, however long it was away."""

    def __init__(self, session, conversation_id):
        self.session, self.path = session, f"/conversations/{conversation_id}"
        self.rev = call(session, "GET", self.path)["rev"]

    def new_messages(self):
        messages, complete = [], False
        while not complete:
            changes = call(self.session, "GET", f"{self.path}/changes?since={self.rev}")
            messages += changes["messages"]
            self.rev, complete = changes["rev"], changes["complete"]
        return messages


ann, ben = (call(None, "POST", "/auth/guest", {"displayName": name}) for name in ("Ann Example", "Ben Example"))
conversation = call(ann, "POST", "/conversations", {"kind": "direct", "memberIds": [ben["user"]["id"]]})
reader = Reader(ben, conversation["id"])
for body in ("Hello, Ben", "Are you there?"):
    message = {"clientId": str(uuid.uuid4()), "body": body}
    sent = call(ann, "POST", f"/conversations/{conversation['id']}/messages", message)
    again = call(ann, "POST", f"/conversations/{conversation['id']}/messages", message)
    print(f"stored as #{sent['message']['seq']}, sent again: {again['duplicate']}")
for message in reader.new_messages():
    print(f"Ben reads #{message['seq']}: {message['body']}")
print(f"{len(reader.new_messages())} messages since")
