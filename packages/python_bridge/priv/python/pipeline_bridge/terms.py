"""Erlang's external term format, as far as it has a counterpart in Python.

Depth and size are bounded in both directions. Whatever the bytes, `decode` returns a value or raises `ArgumentError`.
"""

import struct

MAX_DEPTH = 200

_INT32 = struct.Struct(">i")
_UINT16 = struct.Struct(">H")
_UINT32 = struct.Struct(">I")
_FLOAT = struct.Struct(">d")

_OBJECT = "Elixir.Pipeline.Python.Object"


class ArgumentError(ValueError):
    """A term that has no counterpart in Python, or bytes that are no term."""


class ResultError(ValueError):
    """A value that has no term."""


class Atom(str):
    """An atom of Elixir. It is equal to the string of its name."""

    __slots__ = ()

    def __repr__(self):
        return "Atom(" + str.__repr__(self) + ")"


_CONSTANTS = {"nil": None, "true": True, "false": False}


def decode(data, resolve=None):
    """Reads a term. `resolve` turns the number of a kept object into the object."""
    if data[:1] != b"\x83":
        raise ArgumentError("this is no term: it does not begin with the version number 131")
    try:
        value, end = _read(data, 1, 0, resolve)
    except (IndexError, struct.error):
        raise ArgumentError("the term is cut off") from None
    except UnicodeDecodeError:
        raise ArgumentError("an atom is not UTF-8") from None
    if end != len(data):
        raise ArgumentError("%d bytes follow the term" % (len(data) - end))
    return value


def _slice(data, start, size):
    end = start + size
    if end > len(data):
        raise ArgumentError("the term is cut off")
    return data[start:end], end


def _read(data, at, depth, resolve):
    if depth > MAX_DEPTH:
        raise ArgumentError("the term is nested more than %d levels deep" % MAX_DEPTH)
    tag = data[at]
    at += 1

    if tag == 109:
        raw, at = _slice(data, at + 4, _UINT32.unpack_from(data, at)[0])
        try:
            return str(raw, "utf-8"), at
        except UnicodeDecodeError:
            raise ArgumentError(
                "a binary is not UTF-8, so it is no str: wrap it with Pipeline.Python.bytes/1 to send it as bytes"
            ) from None
    if tag == 97:
        return data[at], at + 1
    if tag == 98:
        return _INT32.unpack_from(data, at)[0], at + 4
    if tag == 70:
        return _FLOAT.unpack_from(data, at)[0], at + 8
    if tag == 119:
        return _atom(data, at + 1, data[at])
    if tag == 118:
        return _atom(data, at + 2, _UINT16.unpack_from(data, at)[0])
    if tag == 77:
        # A binary and one bit: the VM's mark of bytes.
        raw, at = _slice(data, at + 5, _UINT32.unpack_from(data, at)[0])
        return raw[:-1], at
    if tag == 106:
        return [], at
    if tag == 107:
        raw, at = _slice(data, at + 2, _UINT16.unpack_from(data, at)[0])
        return list(raw), at
    if tag == 108:
        items, at = _items(data, at + 4, _UINT32.unpack_from(data, at)[0], depth, resolve)
        if data[at] != 106:
            raise ArgumentError("a list that does not end in [] has no counterpart in Python")
        return items, at + 1
    if tag == 104:
        items, at = _items(data, at + 1, data[at], depth, resolve)
        return tuple(items), at
    if tag == 105:
        items, at = _items(data, at + 4, _UINT32.unpack_from(data, at)[0], depth, resolve)
        return tuple(items), at
    if tag == 116:
        return _map(data, at + 4, _UINT32.unpack_from(data, at)[0], depth, resolve)
    if tag == 110:
        return _big(data, at + 1, data[at])
    if tag == 111:
        return _big(data, at + 4, _UINT32.unpack_from(data, at)[0])
    raise ArgumentError("a term with the tag %d has no counterpart in Python" % tag)


def _atom(data, at, size):
    raw, at = _slice(data, at, size)
    name = str(raw, "utf-8")
    return (_CONSTANTS[name] if name in _CONSTANTS else Atom(name)), at


def _items(data, at, count, depth, resolve):
    items = []
    depth += 1
    for _ in range(count):
        item, at = _read(data, at, depth, resolve)
        items.append(item)
    return items, at


def _map(data, at, count, depth, resolve):
    result = {}
    struct_name = None
    depth += 1
    for _ in range(count):
        key, at = _read(data, at, depth, resolve)
        value, at = _read(data, at, depth, resolve)
        if type(key) is Atom and key == "__struct__" and type(value) is Atom:
            struct_name = value
        try:
            result[key] = value
        except TypeError:
            raise ArgumentError("a key of a map is a list or a map, which no dict can have as a key") from None
    if len(result) != count:
        raise ArgumentError("two keys of a map are equal in Python, such as :a and \"a\", or 1 and 1.0")
    if struct_name is not None:
        return _struct(struct_name, result, resolve), at
    return result, at


def _struct(name, fields, resolve):
    if name == _OBJECT and resolve is not None and type(fields.get("id")) is int:
        return resolve(fields["id"])
    raise ArgumentError("the struct %s has no counterpart in Python" % name)


def _big(data, at, size):
    sign = data[at]
    raw, at = _slice(data, at + 1, size)
    number = int.from_bytes(raw, "little")
    return (-number if sign else number), at


def encode(value, limit):
    """Writes a term of at most `limit` bytes."""
    out = bytearray(b"\x83")
    _write(out, value, 0, limit)
    if len(out) > limit:
        _too_large(limit)
    return out


def _too_large(limit):
    raise ResultError("the term takes more than %d bytes (max_bytes)" % limit)


def _write(out, value, depth, limit):
    if len(out) > limit:
        _too_large(limit)
    if depth > MAX_DEPTH:
        raise ResultError("the value is nested more than %d levels deep, or contains itself" % MAX_DEPTH)

    if value is None:
        out += b"w\x03nil"
    elif value is True:
        out += b"w\x04true"
    elif value is False:
        out += b"w\x05false"
    elif isinstance(value, str):
        _write_text(out, value, limit)
    elif isinstance(value, int):
        _write_int(out, value, limit)
    elif isinstance(value, float):
        _write_float(out, value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _write_binary(out, bytes(value) if isinstance(value, memoryview) else value, limit)
    elif isinstance(value, list):
        items = list.copy(value)
        if items:
            out += b"l"
            out += _UINT32.pack(len(items))
            for item in items:
                _write(out, item, depth + 1, limit)
        out += b"j"
    elif isinstance(value, tuple):
        _write_tuple(out, value, depth, limit)
    elif isinstance(value, dict):
        _write_map(out, value, depth, limit)
    else:
        raise ResultError(
            "a value of type %s has no term: return numbers, text, bytes, lists, tuples and dicts, "
            "or keep it in Python with keep: true" % type_name(type(value))
        )


def _write_text(out, value, limit):
    try:
        raw = str.encode(value, "utf-8")
    except UnicodeEncodeError:
        raise ResultError("a str has lone surrogates, so it is not UTF-8") from None
    if not isinstance(value, Atom):
        _write_binary(out, raw, limit)
    elif len(value) > 255:
        raise ResultError("an atom has at most 255 characters, this one has %d" % len(value))
    else:
        out += b"v"
        out += _UINT16.pack(len(raw))
        out += raw


def _write_binary(out, raw, limit):
    if len(raw) > limit:
        _too_large(limit)
    out += b"m"
    out += _UINT32.pack(len(raw))
    out += raw


def _write_int(out, value, limit):
    value = int.__pos__(value)
    if 0 <= value <= 255:
        out += b"a"
        out.append(value)
    elif -0x80000000 <= value <= 0x7FFFFFFF:
        out += b"b"
        out += _INT32.pack(value)
    else:
        size = (value.bit_length() + 7) // 8
        if size > limit:
            _too_large(limit)
        raw = abs(value).to_bytes(size, "little")
        if size <= 255:
            out += b"n"
            out.append(size)
        else:
            out += b"o"
            out += _UINT32.pack(size)
        out.append(1 if value < 0 else 0)
        out += raw


def _write_float(out, value):
    value = float.__pos__(value)
    if value != value or value in (float("inf"), float("-inf")):
        raise ResultError("the float %r has no term: Erlang's floats are finite" % value)
    out += b"F"
    out += _FLOAT.pack(value)


def _write_tuple(out, value, depth, limit):
    items = tuple(tuple.__iter__(value))
    if len(items) <= 255:
        out += b"h"
        out.append(len(items))
    else:
        out += b"i"
        out += _UINT32.pack(len(items))
    for item in items:
        _write(out, item, depth + 1, limit)


def _write_map(out, value, depth, limit):
    items = list(dict.items(value))
    out += b"t"
    out += _UINT32.pack(len(items))
    # Keys that differ in Python can be one term: "a" and b"a". Those that are all text, or all numbers, cannot.
    check = len({_kind(key) for key, _ in items}) > 1 or any(isinstance(key, tuple) for key, _ in items)
    seen = set()
    for key, item in items:
        start = len(out)
        _write(out, key, depth + 1, limit)
        if check:
            raw = bytes(out[start:])
            if raw in seen:
                raise ResultError("two keys of a dict become the same term, such as \"a\" and b\"a\"")
            seen.add(raw)
        _write(out, item, depth + 1, limit)


def _kind(key):
    # Atoms are text to Python: it has no dict with both an atom and the str of its name.
    return str if isinstance(key, str) else int if isinstance(key, (int, float)) else type(key)


def type_name(type_):
    """The name of a class as its users write it."""
    try:
        module, name = type_.__module__, type_.__qualname__
    except Exception:
        return "object"
    if not isinstance(name, str):
        return "object"
    return name if module in ("builtins", "__main__") or not isinstance(module, str) else module + "." + name
