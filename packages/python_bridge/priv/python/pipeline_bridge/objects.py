"""Objects that stay in Python. The VM knows their numbers, and says when it lets go of them."""


class ObjectGone(LookupError):
    """The object was released, or is of another worker."""


class Objects:
    def __init__(self):
        self._kept = {}
        self._last = 0

    def keep(self, value):
        self._last += 1
        self._kept[self._last] = value
        return self._last

    def resolve(self, number):
        try:
            return self._kept[number]
        except KeyError:
            raise ObjectGone("the object %d was released" % number) from None

    def release(self, number):
        self._kept.pop(number, None)
