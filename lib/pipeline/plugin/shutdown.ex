defmodule Pipeline.Plugin.Shutdown do
  @moduledoc false
  # The option `shutdown:` of a plugin: the milliseconds that its stop/1 may take.

  @default 5_000

  @doc "Checks the option `:shutdown`, the milliseconds for stop/1."
  @spec check(term) :: {:ok, pos_integer} | {:error, String.t()}
  def check(nil), do: {:ok, @default}
  def check(time) when is_integer(time) and time > 0, do: {:ok, time}
  def check(other), do: {:error, "shutdown: is a number of milliseconds, got: #{inspect(other)}"}

  @doc "The milliseconds that a plugin declares."
  @spec declared(module) :: pos_integer
  def declared(module),
    do: if(function_exported?(module, :__shutdown__, 0), do: module.__shutdown__(), else: @default)
end
