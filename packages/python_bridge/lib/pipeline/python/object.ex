defmodule Pipeline.Python.Object do
  @moduledoc """
  A reference to an object that stays in Python.

  A call with `keep: true` returns one. It stands for the object wherever a later call has it among its arguments, and
  `Pipeline.Python.call/4` takes it in place of a module to call a method of it.

  The object lives in one worker, so calls with it wait for that worker. It is gone once

    * its owner has ended: the process that made the call, or the one that the option `owner:` named,
    * somebody has released it with `Pipeline.Python.release/1`,
    * its worker has ended.

  A call with it is an error then, of the type `:object_gone`.

  `:type` is the name of its class in Python. The other fields are private.
  """

  @enforce_keys [:id, :worker, :type]
  defstruct [:id, :worker, :type]

  @opaque id :: non_neg_integer
  @type t :: %__MODULE__{id: id, worker: pid, type: String.t()}
end
