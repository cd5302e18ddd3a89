defmodule Pipeline.Python.Error do
  @moduledoc """
  The error of a call to Python.

      {:error, %Pipeline.Python.Error{type: "ZeroDivisionError"} = error} =
        Pipeline.Python.call("operator", "truediv", [1, 0])

      error.message
      #=> "division by zero"

  ## Fields

    * `:type` - a string for an exception that Python raised: the name of its class, with its module unless it is a
      builtin (`"ValueError"`, `"json.decoder.JSONDecodeError"`). An atom for everything else, see below
    * `:message` - for an exception its text, otherwise a sentence that says what failed, why, and what to do
    * `:traceback` - for an exception Python's traceback as text; for `:worker_exit` the last lines that Python printed,
      if there are any; otherwise `nil`

  ## Types

  | type | meaning |
  |---|---|
  | `:timeout` | the call, or the wait for a free worker, took longer than `timeout:`; the call was ended |
  | `:worker_exit` | the worker ended during the call, which may have had effects |
  | `:overloaded` | as many calls wait as `max_queue` allows |
  | `:not_running` | there is no pool, or Python does not start |
  | `:argument` | an argument has no counterpart in Python, or is too large |
  | `:result` | the result cannot be read: an atom that does not exist here, or no term at all |
  | `:object_gone` | an object was released, or its worker has ended |
  """

  @type t :: %__MODULE__{
          type:
            String.t()
            | :timeout
            | :worker_exit
            | :overloaded
            | :not_running
            | :argument
            | :result
            | :object_gone,
          message: String.t(),
          traceback: String.t() | nil
        }

  defexception [:type, :message, :traceback]

  @impl Exception
  def message(%__MODULE__{type: type, message: message}) when is_binary(type),
    do: "Python raised #{type}: #{message}"

  def message(%__MODULE__{message: message}), do: message

  @doc false
  @spec new(atom, String.t(), String.t() | nil) :: t
  def new(type, message, traceback \\ nil) when is_atom(type),
    do: %__MODULE__{type: type, message: message, traceback: traceback}
end
