"""Frames to and from the VM: a length of four bytes, a kind of one byte, and for most kinds the number of a call."""

import os
import select
import struct

_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">Q")

# Where the kernel lets us, a pipe that takes a large term in fewer steps.
_F_SETPIPE_SZ = 1031
_PIPE_BYTES = 1 << 20


class Frame:
    """One frame from the VM."""

    __slots__ = ("kind", "number", "body")

    def __init__(self, kind, number, body):
        self.kind = kind
        self.number = number
        self.body = body


class Channel:
    def __init__(self):
        # Prints must never reach the pipe of the frames, and nobody reads frames as input.
        self.input = os.dup(0)
        self.output = os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        self._widen(self.input)
        self._widen(self.output)
        self._buffer = bytearray()

    @staticmethod
    def _widen(pipe):
        import fcntl

        try:
            fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            pass

    def ready(self):
        """Whether `read` has something to read."""
        # A signal handler may ask while this is asked: one poll object refuses that.
        poll = select.poll()
        poll.register(self.input, select.POLLIN)
        return bool(self._buffer) or bool(poll.poll(0))

    def read(self):
        """The next frame. The end of the input ends the process: the VM has let go of it."""
        buffer = self._buffer
        while len(buffer) < 4:
            self._fill()
        (size,) = _LENGTH.unpack_from(buffer)
        while len(buffer) < 4 + size:
            self._fill()
        kind = buffer[4]
        number = _NUMBER.unpack_from(buffer, 5)[0] if size >= 9 else 0
        body = bytes(memoryview(buffer)[13 : 4 + size])
        del buffer[: 4 + size]
        return Frame(kind, number, body)

    def _fill(self):
        chunk = os.read(self.input, _PIPE_BYTES)
        if not chunk:
            os._exit(0)
        self._buffer += chunk

    def write(self, kind, number=0, body=b""):
        data = _LENGTH.pack(9 + len(body)) + kind + _NUMBER.pack(number)
        if len(body) <= 65536:
            self._write_all(data + body)
        else:
            self._write_all(data)
            self._write_all(body)

    def _write_all(self, data):
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.output, view) :]
            except BrokenPipeError:
                os._exit(0)

    def close(self):
        """For a forked child, which is no worker."""
        os.close(self.input)
        os.close(self.output)
