"""What the tests call."""

import os
import random
import sys
import time

from pipeline_bridge import Atom


def echo(value):
    return value


def type_of(value):
    return type(value).__name__


def pid():
    return os.getpid()


def busy(seconds, started=None):
    """In bytecode, without a call that could be interrupted."""
    if started is not None:
        touch(started)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "done"


def stubborn(started=None):
    """Lets nothing interrupt it."""
    if started is not None:
        touch(started)
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass


def deaf(started=None):
    """In C code that holds the interpreter: no signal handler runs, and no thread."""
    if started is not None:
        touch(started)
    sum(range(10**12))


def touch(path):
    with open(path, "w") as file:
        file.write(str(os.getpid()))


def wait_for(path, started):
    """Runs until the file is there."""
    touch(started)
    while not os.path.exists(path):
        time.sleep(0.005)
    return "went on"


def crash(signal=9):
    os.kill(os.getpid(), signal)


def crash_sometimes(number, every):
    if number % every == 0:
        os._exit(7)
    return number


def record(path, number):
    """That this ran, once for each time it did."""
    with open(path, "a") as file:
        file.write("%d\n" % number)
    return number


def counted(path, most):
    """Writes how far it is, so that a test sees how far ahead it runs."""
    for number in range(most):
        with open(path, "w") as file:
            file.write(str(number))
        yield number


def closing(path):
    try:
        for number in range(1000):
            yield number
    finally:
        touch(path)


def failing(after):
    for number in range(after):
        yield number
    raise ValueError("enough")


def crashing(after):
    for number in range(after):
        yield number
    os._exit(9)


def sets():
    yield {1}


def slow(after):
    for number in range(after):
        yield number
    busy(60)


class Thing:
    """Tells by a file when it is released."""

    def __init__(self, path=None):
        self.path = path

    def name(self):
        return "thing"

    def __del__(self):
        if self.path is not None:
            touch(self.path)


def noise(lines):
    print("from python é")
    sys.stderr.write("to stderr\n")
    os.write(1, b"raw \xff bytes\n")
    os.system("echo from a child")
    for number in range(lines):
        print("line", number)
    print("\x1b[31mred\x1b[0m", end="")
    return "quiet"


def into_the_pipe(frame):
    """Writes where only frames may be written, as hostile code would."""
    import pipeline_bridge.worker  # noqa: F401
    import gc

    from pipeline_bridge.channel import Channel

    (channel,) = [found for found in gc.get_objects() if isinstance(found, Channel)]
    os.write(channel.output, frame)
    time.sleep(60)


def term_in_the_pipe(term):
    """Answers the running call with these bytes, as its value."""
    import gc

    from pipeline_bridge.worker import Worker

    (worker,) = [found for found in gc.get_objects() if isinstance(found, Worker)]
    worker.channel.write(b"V", worker.running, term)
    time.sleep(60)


def close_the_pipe():
    import gc

    from pipeline_bridge.channel import Channel

    (channel,) = [found for found in gc.get_objects() if isinstance(found, Channel)]
    os.close(channel.output)
    time.sleep(60)


def fork():
    """The child comes back from the call as well."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return "parent" if child else "child"


def hostile(kind):
    if kind == "cycle":
        cycle = []
        cycle.append(cycle)
        return cycle
    if kind == "laughs":
        value = "x" * 1000
        for _ in range(100):
            value = [value] * 10
        return value
    if kind == "deep":
        value = None
        for _ in range(150_000):
            value = [value]
        return value
    if kind == "atom":
        return Atom("no_such_atom_%d" % random.getrandbits(64))
    if kind == "long atom":
        return Atom("a" * 300)
    if kind == "surrogate":
        return "\ud800"
    if kind == "nan":
        return float("nan")
    if kind == "infinite":
        return [float("inf")]
    if kind == "set":
        return {1, 2}
    if kind == "keys":
        return {"a": 1, b"a": 2}
    if kind == "tuple keys":
        return {("a",): 1, (b"a",): 2}
    if kind == "struct":
        return {Atom("__struct__"): Atom("Elixir.Range")}
    if kind == "liar":
        return Liar()
    if kind == "large":
        return b"x" * (65 << 20)
    if kind == "huge int":
        return 1 << (1 << 26)
    raise KeyError(kind)


class Liar:
    @property
    def __class__(self):
        return list


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no")


class Endless(Exception):
    def __str__(self):
        return "x\ud800" * 1_000_000


def raise_(name):
    raise {"unspeakable": Unspeakable, "endless": Endless, "exit": SystemExit, "interrupt": KeyboardInterrupt}[name]()


def random_terms(seed, count):
    generator = random.Random(seed)
    return [_random_term(generator, 4) for _ in range(count)]


def _random_term(generator, depth):
    kinds = ["none", "bool", "int", "big", "float", "str", "atom"]
    if depth:
        kinds += ["list", "tuple", "dict"] * 2
    kind = generator.choice(kinds)
    few = range(generator.randrange(5))
    if kind == "none":
        return None
    if kind == "bool":
        return generator.random() < 0.5
    if kind == "int":
        return generator.choice([0, 1, -1, 255, 256, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, generator.randrange(1000)])
    if kind == "big":
        return generator.getrandbits(generator.choice([33, 64, 2040, 2041, 5000])) * generator.choice([1, -1])
    if kind == "float":
        return generator.choice([0.0, -0.0, 1e308, 5e-324, generator.random()])
    if kind == "str":
        return "".join(generator.choice("aé漢😀\0\n") for _ in few)
    if kind == "atom":
        return Atom(generator.choice(["ok", "error", "", "Elixir.Enum"]))
    if kind == "list":
        return [_random_term(generator, depth - 1) for _ in few]
    if kind == "tuple":
        return tuple(_random_term(generator, depth - 1) for _ in few)
    return {generator.randrange(10**6): _random_term(generator, depth - 1) for _ in few}


def check(seed, count, terms):
    """Which of these terms are not what `random_terms` makes."""
    expected = random_terms(seed, count)
    return [index for index in range(count) if repr(_plain(expected[index])) != repr(_plain(terms[index]))]


def _plain(value):
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        # A map has no order.
        return sorted((key, repr(_plain(item))) for key, item in value.items())
    return value


def decode_garbage(seed, count):
    """Decodes bytes that were terms once. Each is an ArgumentError or a value; nothing else comes out."""
    from pipeline_bridge import terms

    generator = random.Random(seed)
    refused = 0
    for _ in range(count):
        data = bytearray(terms.encode(_random_term(generator, 4), 1 << 20))
        for _ in range(generator.randrange(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        if generator.random() < 0.3:
            del data[generator.randrange(len(data)) :]
        try:
            terms.decode(bytes(data))
        except terms.ArgumentError:
            refused += 1
    return refused
