"""A client of Parley in Python, with python-socketio 5: python3 examples/python/chat.py [http://localhost:3000] [title]

It enters as a guest, joins the public group of that title (or creates it), prints its messages, and sends each line of its
input. After a lost connection it catches up by `sync`, so that every message is printed once.

Needs python-socketio and websocket-client (pip), or python3-socketio and python3-websocket (Debian).
"""
import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import socketio

# Longer than the 10 s within which the server answers.
CALL_TIMEOUT_S = 12


class Refused(Exception):
    """The server's refusal. Decide by `code`, never by the text."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error.get('message') or error.get('detail')}")
        self.code = error["code"]


class Chat:
    def __init__(self, url):
        self.url = url.rstrip("/")
        self.session = self.request("POST", "/auth/guest", {"displayName": "Python"})
        # By conversation: the rev up to which every change has arrived, and the seq up to which messages are printed.
        self.cursors, self.printed = {}, {}
        self.epoch = None
        self.lock = threading.RLock()
        self.ready = threading.Event()
        self.socket = socketio.Client(reconnection_delay=0.5, reconnection_delay_max=5)
        self.socket.on("session:ready", self.on_ready)
        self.socket.on("disconnect", self.ready.clear)
        self.socket.on("*", self.on_event)
        address = urllib.parse.urlsplit(self.url)
        self.socket.connect(
            f"{address.scheme}://{address.netloc}",
            auth=lambda: {"token": self.access_token()},
            transports=["websocket"],
            socketio_path=f"{address.path}/socket.io",
        )

    def request(self, method, path, body=None):
        request = urllib.request.Request(f"{self.url}/api/v1{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        if hasattr(self, "session"):
            request.add_header("authorization", f"Bearer {self.session['accessToken']}")
        try:
            with urllib.request.urlopen(request, timeout=CALL_TIMEOUT_S) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)) from None

    def access_token(self):
        """The token for a handshake. An old one is refreshed first; a refresh token works once."""
        age = time.monotonic() - getattr(self, "refreshed_at", time.monotonic())
        if age > 600:
            self.session = self.request("POST", "/auth/refresh", {"refreshToken": self.session["refreshToken"]})
        if age > 600 or not hasattr(self, "refreshed_at"):
            self.refreshed_at = time.monotonic()
        return self.session["accessToken"]

    def call(self, event, payload):
        """Makes a call over the socket. The server answers each exactly once."""
        answer = self.socket.call(event, payload, timeout=CALL_TIMEOUT_S)
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer["data"]

    def send(self, conversation_id, body):
        """Sends until the server has stored it. The same clientId is stored once, however often it is sent."""
        message = {"conversationId": conversation_id, "clientId": str(uuid.uuid4()), "body": body}
        while True:
            self.ready.wait()
            try:
                return self.call("message:send", message)["message"]
            except (socketio.exceptions.SocketIOError, socketio.exceptions.TimeoutError):
                time.sleep(0.5)
            except Refused as refusal:
                if refusal.code not in ("unavailable", "internal", "rate_limited", "slow_mode"):
                    raise
                time.sleep(1)

    def on_ready(self, ready):
        """The first event of a connection: from here on nothing is missed, so what was missed before is fetched now."""
        self.catch_up()
        self.ready.set()

    def on_event(self, event, payload):
        message = payload.get("message") or {}
        part = message or payload.get("conversation") or payload
        conversation_id = payload.get("conversationId") or message.get("conversationId") or part.get("id")
        with self.lock:
            if message:
                self.show([message])
            # An event whose rev skips one shows that another was lost.
            known, rev = self.cursors.get(conversation_id), part.get("rev")
            if rev is None or known is None or rev <= known:
                return
            if rev == known + 1:
                self.cursors[conversation_id] = rev
            else:
                self.catch_up()

    def catch_up(self):
        """Asks for everything that changed since the cursors, until it is complete."""
        with self.lock:
            while True:
                known = {} if self.epoch is None else {"epoch": self.epoch}
                answer = self.call("sync", {**known, "cursors": self.cursors})
                if self.epoch not in (None, answer["epoch"]):
                    self.cursors.clear()  # The database was restored from a backup.
                self.epoch = answer["epoch"]
                for conversation in answer["added"]:
                    self.cursors[conversation["id"]] = conversation["rev"]
                    self.printed[conversation["id"]] = conversation["lastSeq"]
                for conversation_id in answer["removed"]:
                    self.cursors.pop(conversation_id, None)
                for change in answer["changes"]:
                    self.show(change["messages"])
                    self.cursors[change["conversationId"]] = change["rev"]
                if answer["complete"]:
                    return

    def show(self, messages):
        for message in sorted(messages, key=lambda message: message["seq"]):
            conversation_id = message["conversationId"]
            if message["seq"] <= self.printed.get(conversation_id, 0) or message["type"] == "system":
                continue
            self.printed[conversation_id] = message["seq"]
            print(f"#{message['seq']} {message['body']}", flush=True)


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:3000"
    title = sys.argv[2] if len(sys.argv) > 2 else "Lobby"
    chat = Chat(url)
    chat.ready.wait()
    query = urllib.parse.urlencode({"query": title})
    found = chat.request("GET", f"/conversations/public?{query}")["items"]
    if found:
        conversation = chat.call("conversation:join", {"conversationId": found[0]["id"]})["conversation"]
    else:
        new = {"kind": "group", "visibility": "public", "title": title}
        conversation = chat.call("conversation:create", new)["conversation"]
    chat.catch_up()
    print(f"in {conversation['title']}", flush=True)
    for line in sys.stdin:
        message = chat.send(conversation["id"], line.rstrip("\n"))
        print(f"stored as #{message['seq']}", flush=True)
    chat.socket.disconnect()


main()
