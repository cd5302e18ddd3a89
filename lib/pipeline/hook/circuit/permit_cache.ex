defmodule Pipeline.Hook.Circuit.PermitCache do
  @moduledoc false
  # What a run reads in place of asking the breaker: one atomic word. While the breaker is known to be closed it holds
  # the permit of the calls that are admitted; otherwise the breaker is to be asked.
  #
  #     known to be closed:  alarms, permit
  #     ask:                 -1 - (alarms, pending)
  #
  # A closed breaker is moved by failures and resets alone, and each is told to it within `moving/2`: that counts one
  # alarm more and one more that is pending, and from then on all ask. Whoever asks and is admitted to a closed breaker
  # puts the permit there, if nothing was pending when it looked and the word is still what it was. Then nobody moved the
  # breaker from before it was asked until now: so never is the word a permit while the breaker is not closed. Of one that
  # is killed within, something stays pending, and all ask: what costs is not what is wrong.

  import Bitwise

  @low 0xFFFFFFFF
  # So many alarms later a word is one that was there before; more would not fit a small integer.
  @alarms 0x3FFFFFF

  @type t :: :atomics.atomics_ref()
  @type permit :: non_neg_integer

  @doc "That of a new breaker, which is closed."
  @spec new() :: t
  def new, do: :atomics.new(1, signed: true)

  @doc "The word; the breaker is known to be closed if it is not negative. In the way of every run, hence a macro."
  defmacro read(gate) do
    quote do: :atomics.get(unquote(gate), 1)
  end

  @doc "The permit of a word that is not negative."
  @spec permit(non_neg_integer) :: permit
  def permit(word), do: word &&& @low

  @doc "Tells the breaker of something that may move it while it is closed."
  @spec moving(t, (() -> moved)) :: moved when moved: term
  def moving(gate, tell) do
    alarm(gate, read(gate))

    try do
      tell.()
    after
      # Pending for one less.
      :atomics.add(gate, 1, 1)
    end
  end

  @doc "The breaker was asked after this word had been read, and is closed."
  @spec closed(t, word :: neg_integer, permit) :: :ok
  def closed(gate, word, permit) do
    if (-1 - word &&& @low) == 0 do
      :atomics.compare_exchange(gate, 1, word, alarms(word) <<< 32 ||| permit)
    end

    :ok
  end

  defp alarm(gate, word) do
    pending = if word >= 0, do: 0, else: -1 - word &&& @low
    alarmed = -1 - ((alarms(word) + 1 &&& @alarms) <<< 32 ||| pending + 1)

    case :atomics.compare_exchange(gate, 1, word, alarmed) do
      :ok -> :ok
      word -> alarm(gate, word)
    end
  end

  defp alarms(word) when word >= 0, do: word >>> 32
  defp alarms(word), do: (-1 - word) >>> 32
end
