"""Serves calls, one at a time.

The process reads frames between two calls, and while a stream waits for its consumer. Within a call SIGIO says that
there are frames: the one that cancels the call raises `Cancelled` in it.
"""

import collections
import faulthandler
import fcntl
import os
import signal
import socket
import sys

from pipeline_bridge import code, failure, guard, terms
from pipeline_bridge.channel import Channel
from pipeline_bridge.objects import Objects

# Frames from the VM.
_SETTINGS, _CALL, _STREAM, _CANCEL, _CREDIT, _RELEASE, _QUIT = b"ICSXARQ"


class Cancelled(BaseException):
    """The caller has gone, or waits no longer."""


class Worker:
    def __init__(self, channel):
        self.channel = channel
        self.objects = Objects()
        self.limit = 0
        # The call whose code runs, and whether it was cancelled meanwhile.
        self.running = None
        self.cancelled = False
        # Frames that came during a call and concern what comes after it.
        self.inbox = collections.deque()
        self.draining = False
        self.pid = os.getpid()

    def start(self):
        self.channel.write(b"H", 0, _encode([sys.version_info[0], sys.version_info[1]]))
        frame = self.channel.read()
        try:
            self.set_up(terms.decode(frame.body))
        except BaseException as error:
            kind, message, _ = failure.describe(error)
            self.channel.write(b"F", 0, ("%s: %s" % (kind, message)).encode())
            # The VM kills it once it has read this.
            self.channel.read()
        self.channel.write(b"Y")

    def set_up(self, settings):
        self.limit = settings["max_bytes"]
        guard.limit_memory(settings["memory"])
        _redirect(settings["output"], settings["token"])
        faulthandler.enable(sys.stderr)
        sys.path[1:1] = settings["paths"]
        os.register_at_fork(after_in_child=self.in_fork)
        signal.signal(signal.SIGIO, self.on_input)
        fcntl.fcntl(self.channel.input, fcntl.F_SETOWN, self.pid)
        flags = fcntl.fcntl(self.channel.input, fcntl.F_GETFL)
        fcntl.fcntl(self.channel.input, fcntl.F_SETFL, flags | os.O_ASYNC)
        for name in settings["preload"]:
            __import__(name)

    def in_fork(self):
        # Its parent serves. If the code of a call returns in the child, `end` ends it.
        self.running = None
        self.channel.close()

    def serve(self):
        while True:
            frame = self.next_frame()
            if frame.kind == _CALL:
                self.call(frame)
            elif frame.kind == _STREAM:
                self.stream(frame)
            elif frame.kind == _QUIT:
                sys.exit(0)
            else:
                self.between_calls(frame)

    def next_frame(self):
        return self.inbox.popleft() if self.inbox else self.channel.read()

    def between_calls(self, frame):
        if frame.kind == _RELEASE:
            self.objects.release(frame.number)
        elif frame.kind == _CANCEL:
            # Of a call that has ended meanwhile.
            self.channel.write(b"K", frame.number)

    # The code of a call runs between `begin` and `end`.

    def begin(self, number):
        self.running = number
        # What came before has caused its signal already.
        self.drain()

    def end(self):
        self.running = None
        if os.getpid() != self.pid:
            os._exit(0)

    def on_input(self, _signal, _frame):
        if self.running is not None and not self.draining and os.getpid() == self.pid:
            self.drain()

    def drain(self):
        # A signal that comes meanwhile does nothing, so what it was for is looked for again.
        while self.channel.ready():
            self.draining = True
            try:
                while self.channel.ready():
                    self.keep(self.channel.read())
            finally:
                self.draining = False
        if self.cancelled and self.running is not None:
            raise Cancelled

    def keep(self, frame):
        if frame.kind == _CANCEL and frame.number == self.running:
            self.cancelled = True
        else:
            self.inbox.append(frame)

    def call(self, frame):
        kind, body = b"E", None
        try:
            try:
                self.channel.write(b"B", frame.number)
                self.begin(frame.number)
                request = terms.decode(frame.body, self.objects.resolve)
                value = code.run(request)
                if request["keep"]:
                    kind, body = b"O", value
                else:
                    kind, body = b"V", terms.encode(value, self.limit)
            finally:
                self.end()
        except BaseException as error:
            kind, body = self.failed(error)
        self.finish(frame.number, kind, body)

    def failed(self, error):
        self.end()
        # What a worker without memory does next is anybody's guess.
        kind = b"L" if isinstance(error, MemoryError) else b"E"
        return kind, _encode(list(failure.describe(error)))

    def finish(self, number, kind, body):
        _flush()
        if self.cancelled:
            self.cancelled = False
            self.channel.write(b"K", number)
            return
        if kind == b"O":
            value, body = body, _encode([terms.type_name(type(body))])
            # The number of the object stands before the term.
            body = self.objects.keep(value).to_bytes(8, "big") + body
        self.channel.write(kind, number, body)

    def stream(self, frame):
        number, kind, body = frame.number, b"D", b""
        iterator = None
        try:
            try:
                self.channel.write(b"B", number)
                self.begin(number)
                request = terms.decode(frame.body, self.objects.resolve)
                credit = request["credit"]
                iterator = iter(code.run(request))
            finally:
                self.end()
            while True:
                credit += self.new_credit(wait=credit == 0)
                if self.cancelled:
                    break
                try:
                    self.begin(number)
                    try:
                        item = terms.encode(next(iterator), self.limit)
                    except StopIteration:
                        break
                finally:
                    self.end()
                credit -= 1
                _flush()
                self.channel.write(b"N", number, item)
        except BaseException as error:
            kind, body = self.failed(error)
        self.close(iterator)
        self.finish(number, kind, body)

    def new_credit(self, wait):
        credit = 0
        while self.inbox or (wait and credit == 0 and not self.cancelled):
            frame = self.next_frame()
            if frame.kind == _CREDIT:
                credit += frame.number
            elif frame.kind == _RELEASE:
                self.objects.release(frame.number)
            elif frame.kind == _CANCEL:
                self.cancelled = True
        return credit

    def close(self, iterator):
        # A generator may have something open.
        try:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            print("closing a stream failed: %s: %s" % failure.describe(error)[:2], file=sys.stderr)


def _encode(value):
    return bytes(terms.encode(value, 1 << 20))


def _redirect(name, token):
    """Prints go to a socket that the VM reads, also those of C code, and the last words of a crash."""
    with socket.socket(socket.AF_UNIX) as output:
        output.connect("\0" + name)
        output.sendall(token.encode())
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    # Anew, since those that Python has opened know what the descriptors were before, such as files that can be sought.
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = open(descriptor, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass


def main():
    channel = Channel()
    guard.die_with_parent()
    worker = Worker(channel)
    worker.start()
    worker.serve()
