defmodule Pipeline.Hook.Outcome do
  @moduledoc false
  # What a function gave, as a value: to be kept, or handed to another process, and to come out there as it did here.

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
