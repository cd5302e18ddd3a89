"""The Python side of Pipeline.Python.

Code that an Elixir program calls needs nothing of this, unless it wants to return an atom:

    from pipeline_bridge import Atom

    def outcome():
        return Atom("ok")
"""

from pipeline_bridge.terms import Atom

__all__ = ["Atom"]
