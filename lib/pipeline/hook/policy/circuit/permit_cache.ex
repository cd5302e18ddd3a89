defmodule Pipeline.Hook.Policy.Circuit.PermitCache do
  @moduledoc false
  # Spares a run the question to a breaker that is closed: a word with the permit of the calls that are
  # admitted, or a negative version, and then the breaker is to be asked.
  #
  # Only failures and resets move a closed breaker. Each puts a new version before it and another one after
  # it. A run that was admitted stores the permit only if the version is still the one it read before it
  # asked. So once a change is told, the word says closed only if the breaker was asked after it. A process
  # that is killed between telling and the second version can leave a permit there; the next failure removes
  # it.

  @type t :: :atomics.atomics_ref()
  @type version :: neg_integer

  @doc "The cache of a new breaker, which is closed and gives the permit 0."
  @spec new() :: t
  def new, do: :atomics.new(2, signed: true)

  @doc "The permit, or a negative version. On the path of every run, hence a macro."
  defmacro read(cache), do: quote(do: :atomics.get(unquote(cache), 1))

  @doc "Stores a permit, unless the version has changed."
  @spec store(t, version, permit :: non_neg_integer) :: :ok
  def store(cache, version, permit) do
    _ = :atomics.compare_exchange(cache, 1, version, permit)
    :ok
  end

  @doc "Makes a change that may move the breaker."
  @spec around_change(t, (() -> result)) :: result when result: term
  def around_change(cache, change) do
    forget(cache)
    change.()
  after
    forget(cache)
  end

  defp forget(cache), do: :atomics.put(cache, 1, -:atomics.add_get(cache, 2, 1))
end
