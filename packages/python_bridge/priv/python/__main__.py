# Starts a worker. It parses on every Python, to say by a message that one is too old.
import os
import struct
import sys

if sys.version_info < (3, 9):
    text = "Python %d.%d is too old: 3.9 or newer is needed" % sys.version_info[:2]
    os.write(1, struct.pack(">I", len(text) + 9) + b"F" + b"\0" * 8 + text.encode("ascii"))
    sys.exit(1)

# Nothing is written into the folder of the package.
cached, sys.dont_write_bytecode = sys.dont_write_bytecode, True

from pipeline_bridge.worker import main  # noqa: E402

sys.dont_write_bytecode = cached
main()
