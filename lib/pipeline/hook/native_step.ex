defmodule Pipeline.Hook.NativeStep do
  @moduledoc false
  # Native hooks that share no segment, as functions `(context, next)`: arounds, which `next` is called inside of, and
  # hooks that wait, which run on the library's runtime. What fails in them raises, so that the chain treats them as it does
  # any function.

  alias Pipeline.Hook.{Blocking, Entry, NativeAround, NativeError}

  @doc "Whether a native hook is one of these; the others are fused."
  @spec alone?(Entry.t()) :: boolean
  def alone?(%Entry{call: {:native, _, _, _, cost}, kind: kind}),
    do: kind == :around or cost in [:blocking, :async]

  def alone?(%Entry{}), do: false

  @spec fun(Entry.t()) :: function
  def fun(%Entry{kind: :around} = entry), do: NativeAround.fun(entry)

  def fun(%Entry{call: {:native, _, _, _, cost}} = entry) when cost in [:blocking, :async],
    do: Blocking.fun(entry)

  @doc "Raises what a native hook ended with."
  @spec fail!(Entry.t(), {:refused, term} | {:failed, String.t()}) :: no_return
  def fail!(_entry, {:refused, reason}), do: throw({:hook_error, reason})

  def fail!(%Entry{call: {:native, library, name, _, _}}, {:failed, message}) do
    raise %NativeError{hook: {library, name}, message: message}
  end
end
