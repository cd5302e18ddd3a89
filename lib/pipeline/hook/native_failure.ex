defmodule Pipeline.Hook.NativeFailure do
  @moduledoc false
  # How the failure of a native hook is raised, so that a chain treats it as that of any function.

  alias Pipeline.Hook.{NativeError, Registration}
  alias Pipeline.Native

  @doc "Whether a hook can share a native call with its neighbours. An around, and a hook that waits, cannot."
  @spec fusible?(Registration.t()) :: boolean
  def fusible?(%Registration{call: %Native.Hook{cost: cost}, kind: kind}),
    do: kind != :around and cost not in [:blocking, :async]

  def fusible?(%Registration{}), do: false

  @doc "The kind and reason of a failure."
  @spec of(Registration.t(), {:refused, term} | {:failed, String.t()}) :: {:throw | :error, term}
  def of(_hook, {:refused, reason}), do: {:throw, {:hook_error, reason}}

  def of(%Registration{call: %Native.Hook{library: library, name: name}}, {:failed, message}),
    do: {:error, %NativeError{hook: {library, name}, message: message}}

  @spec raise!(Registration.t(), {:refused, term} | {:failed, String.t()}) :: no_return
  def raise!(hook, failure) do
    {kind, reason} = of(hook, failure)
    {:current_stacktrace, [_ | stacktrace]} = Process.info(self(), :current_stacktrace)
    :erlang.raise(kind, reason, stacktrace)
  end
end
