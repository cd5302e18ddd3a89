"""A server that fails in every way that the real one does not. The model of a request names what it does.

Prints its port. Ends when its input ends.
"""
import json
import os
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

changed = threading.Condition()
requests = Counter()  # requests by model
open_streams = Counter()  # streams that are being written, by model
writing_since = {}  # when the write of a model's stream began that is not done


def chunk(delta, finish=None, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return "data: " + json.dumps({"model": "scripted", "choices": [choice], **more}, ensure_ascii=False) + "\n\n"


def answer(message, finish="stop"):
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"model": "scripted", "choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def call(name, arguments, id="call_1", index=0):
    return {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers={}, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream_head(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def piece(self, data, model):
        with changed:
            writing_since[model] = time.monotonic()
        self.wfile.write(data.encode() if isinstance(data, str) else data)
        self.wfile.flush()
        with changed:
            writing_since.pop(model, None)

    # What the tests ask about the server itself. Each answer waits until it is so.
    def do_GET(self):
        what, _, model = self.path.strip("/").partition("/")
        if what == "v1":
            return self.reply(200, {"data": [{"id": "scripted"}, {"id": "other"}]})
        with changed:
            if what == "closed":
                done = changed.wait_for(lambda: requests[model] > 0 and open_streams[model] == 0, 10)
            elif what == "opened":
                done = changed.wait_for(lambda: open_streams[model] > 0, 10)
            elif what == "held":
                deadline = time.monotonic() + 20
                done = False
                while not done and time.monotonic() < deadline:
                    changed.wait(0.05)
                    since = writing_since.get(model)
                    done = since is not None and time.monotonic() - since > 0.3
            else:
                done = True
            self.reply(200, {"done": bool(done), "requests": requests[model]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model = body["model"]
        with changed:
            requests[model] += 1
            number = requests[model]
            changed.notify_all()
        script = getattr(self, "script_" + model.split("-")[0])
        if body.get("stream") and not model.startswith("status"):
            with changed:
                open_streams[model] += 1
                changed.notify_all()
            try:
                self.stream_head()
                script(model, body, number)
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                self.wfile = open(os.devnull, "wb")
                self.connection.close()
                with changed:
                    open_streams[model] -= 1
                    writing_since.pop(model, None)
                    changed.notify_all()
        else:
            script(model, body, number)

    def script_echo(self, model, body, number):
        del body["messages"]
        seen = {"body": body, "authorization": self.headers.get("Authorization"), "organization": self.headers.get("OpenAI-Organization")}
        self.reply(200, answer({"content": json.dumps(seen)}))

    # status-CODE-TIMES-RETRY_AFTER: that status so many times, then an answer.
    def script_status(self, model, body, number):
        _, code, times, pause, *_ = model.split("-")
        if number > int(times):
            if not body.get("stream"):
                return self.reply(200, answer({"content": "at last"}))
            self.stream_head()
            return self.piece(chunk({"content": "at last"}, "stop") + "data: [DONE]\n\n", model)
        error = {"message": "no luck with key sk-secret123", "code": int(code), "type": "scripted"}
        self.reply(int(code), {"error": error}, {} if pause == "none" else {"Retry-After": pause})

    def script_context(self, model, body, number):
        self.reply(400, {"error": {"message": "too long", "code": "context_length_exceeded"}})

    def script_redirect(self, model, body, number):
        self.reply(302, b"", {"Location": "http://127.0.0.1:1/elsewhere"})

    def script_html(self, model, body, number):
        self.reply(200, b"<html>a gateway's page</html>", kind="text/html")

    def script_odd(self, model, body, number):
        self.reply(200, {"choices": []})

    def script_large(self, model, body, number):
        self.reply(200, b'"' + b"x" * 3_000_000 + b'"')

    def script_tools(self, model, body, number):
        if not body.get("stream"):
            calls = [call("weather", '{"city": "Bern"}'), call("time", "", "call_2", 1)]
            return self.reply(200, answer({"content": None, "tool_calls": calls}, "tool_calls"))
        self.piece(chunk({"tool_calls": [call("weather", "")]}), model)
        for part in ['{"ci', 'ty": "B', 'ern"}']:
            self.piece(chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}), model)
        self.piece(chunk({"tool_calls": [call("time", "{}", "call_2", 1)]}), model)
        self.piece(chunk({}, "tool_calls") + "data: [DONE]\n\n", model)

    def script_badtool(self, model, body, number):
        self.reply(200, answer({"content": None, "tool_calls": [call("weather", "{no json")]}, "tool_calls"))

    def script_json(self, model, body, number):
        self.reply(200, answer({"content": '{"age": "old"}'}))

    # Bytes one by one: events, lines and characters are split everywhere.
    def script_split(self, model, body, number):
        text = ": a comment\r\n\r\n" + chunk({"content": "grün "}).replace("\n", "\r\n") + chunk({"content": "日本 🎉"})
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        text += chunk({}, "stop") + "data: " + json.dumps({"choices": [], "usage": usage}) + "\n\ndata: [DONE]\n\n"
        for byte in text.encode():
            self.piece(bytes([byte]), model)

    def script_stall(self, model, body, number):
        self.piece(chunk({"content": "one"}), model)
        self.rfile.read(1)

    def script_silent(self, model, body, number):
        self.rfile.read(1)

    def script_broken(self, model, body, number):
        self.piece(chunk({"content": "one"}), model)

    # Says why it ends, but not that it does, as some servers do.
    def script_unmarked(self, model, body, number):
        self.piece(chunk({"content": "one"}, "stop"), model)

    def script_failing(self, model, body, number):
        self.piece(chunk({"content": "one"}), model)
        self.piece("data: " + json.dumps({"error": {"code": 503, "message": "overloaded"}}) + "\n\n", model)

    def script_garbage(self, model, body, number):
        self.piece("data: {no json\n\n", model)

    def script_wide(self, model, body, number):
        self.piece("data: ", model)
        while True:
            self.piece("x" * 65536, model)

    def script_endless(self, model, body, number):
        while True:
            self.piece(chunk({"content": "x" * 16384}), model)

    def script_flood(self, model, body, number):
        events = chunk({"content": "x"}) * 64
        while True:
            self.piece(events, model)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.buffer.read()
