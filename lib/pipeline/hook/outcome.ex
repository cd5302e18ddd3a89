defmodule Pipeline.Hook.Outcome do
  @moduledoc false
  # The end of a call as a value, which can be kept, or handed to another process that returns or fails in the
  # same way.

  @type t :: {:ok, term} | {:error | :exit | :throw, reason :: term, Exception.stacktrace()}

  @spec of((term -> term), term) :: t
  def of(fun, argument) do
    {:ok, fun.(argument)}
  catch
    kind, reason -> {kind, reason, __STACKTRACE__}
  end

  @doc "Returns or fails as the function did."
  @spec yield(t) :: term
  def yield({:ok, value}), do: value
  def yield({kind, reason, stacktrace}), do: :erlang.raise(kind, reason, stacktrace)
end
