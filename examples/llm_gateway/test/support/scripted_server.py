"""A server that speaks OpenAI's protocol and does what the name of the model says.

echo-NAME answers with the prompt, status-CODE-TIMES-NAME fails so many times before, endless-NAME streams without end.
Prints its port. Ends when its input ends.
"""
import json
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

changed = threading.Condition()
requests = Counter()
open_streams = Counter()


def event(content, finish=None):
    return "data: " + json.dumps({"choices": [{"delta": {"content": content}, "finish_reason": finish}]}) + "\n\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    # requests/MODEL counts, closed/MODEL waits until no stream of the model is open.
    def do_GET(self):
        what, _, model = self.path.strip("/").partition("/")
        with changed:
            closed = what != "closed" or changed.wait_for(lambda: requests[model] and not open_streams[model], 10)
            self.reply(200, {"requests": requests[model], "closed": bool(closed)})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model = body["model"]
        kind, *rest = model.split("-")
        with changed:
            requests[model] += 1
            number = requests[model]
        if kind == "status" and number <= int(rest[1]):
            return self.reply(int(rest[0]), {"error": {"message": "out of order"}})
        prompt = body["messages"][-1]["content"]
        if body.get("stream"):
            return self.stream(model, kind, prompt)
        text = json.dumps({"answer": prompt}) if "response_format" in body else prompt
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        self.reply(200, {"model": model, "choices": [choice], "usage": {"total_tokens": 5}})

    def stream(self, model, kind, prompt):
        with changed:
            open_streams[model] += 1
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for word in prompt.split(" "):
                self.piece(event(word + " "))
            while kind == "endless":
                self.piece(event("on "))
            self.piece(event("", "stop") + "data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with changed:
                open_streams[model] -= 1
                changed.notify_all()

    def piece(self, data):
        self.wfile.write(data.encode())
        self.wfile.flush()


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.buffer.read()
