"""An exception as the text that goes to the VM."""

import traceback

from pipeline_bridge.terms import type_name

# In characters. What is longer is cut in the middle.
_MESSAGE = 16_000
_TRACEBACK = 32_000

# Of this package, which are of no use to who reads a traceback.
_OWN = __file__.rpartition("/")[0]


def describe(error):
    """`(type, message, traceback)` of an exception. No exception is strange enough to fail this."""
    return _text(lambda: type_name(type(error)), 500), _text(lambda: str(error), _MESSAGE), _traceback(error)


def _traceback(error):
    try:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN):
            trace = trace.tb_next
        lines = traceback.format_exception(type(error), error, trace, limit=-50)
    except Exception:
        return "it could not be written"
    return _cut("".join(lines), _TRACEBACK)


def _text(make, most):
    try:
        return _cut(make(), most)
    except Exception as failed:
        return "(its text could not be made: %s)" % type_name(type(failed))


def _cut(text, most):
    # Exactly a str, and UTF-8.
    text = str.__str__(text).encode("utf-8", "backslashreplace").decode("utf-8")
    if len(text) <= most:
        return text
    return text[: most // 2] + "\n[…]\n" + text[-most // 2 :]
