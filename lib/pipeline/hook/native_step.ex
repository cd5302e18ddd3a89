defmodule Pipeline.Hook.NativeStep do
  @moduledoc false
  # Native hooks that share no segment, as functions `(context, next)`: arounds, which `next` is called inside of, and
  # hooks that wait, which run on the library's runtime. What fails in them raises, so that the chain treats them as it does
  # any function.

  alias Pipeline.Hook.{Blocking, NativeAround, NativeError, Registration}
  alias Pipeline.Native

  @doc "Whether a native hook is one of these; the others are fused."
  @spec alone?(Registration.t()) :: boolean
  def alone?(%Registration{call: %Native.Hook{cost: cost}, kind: kind}),
    do: kind == :around or cost in [:blocking, :async]

  def alone?(%Registration{}), do: false

  @spec fun(Registration.t()) :: function
  def fun(%Registration{kind: :around} = entry), do: NativeAround.fun(entry)

  def fun(%Registration{call: %Native.Hook{cost: cost}} = entry) when cost in [:blocking, :async],
    do: Blocking.fun(entry)

  @doc "Raises what a native hook ended with."
  @spec fail!(Registration.t(), {:refused, term} | {:failed, String.t()}) :: no_return
  def fail!(_entry, {:refused, reason}), do: throw({:hook_error, reason})

  def fail!(%Registration{call: %Native.Hook{library: library, name: name}}, {:failed, message}) do
    raise %NativeError{hook: {library, name}, message: message}
  end
end
