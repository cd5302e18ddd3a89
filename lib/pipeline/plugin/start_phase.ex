defmodule Pipeline.Plugin.StartPhase do
  @moduledoc false
  # How far the first start of a plugin has come. It outlives the plugin's process: a crash before start/1 has returned
  # fails the load, so that process stays away; after it the plugin's supervisor restarts the process.

  @new 0
  @starting 1
  @started 2

  @opaque t :: :atomics.atomics_ref()

  @spec new() :: t
  def new, do: :atomics.new(1, [])

  @doc "For a plugin that ran before: nobody waits for its start."
  @spec started() :: t
  def started do
    phase = new()
    :ok = complete(phase)
    phase
  end

  @doc "Called before each start of the process: what start it is."
  @spec enter(t) :: :first | :again | :abandoned
  def enter(phase) do
    case :atomics.compare_exchange(phase, 1, @new, @starting) do
      :ok -> :first
      @starting -> :abandoned
      @started -> :again
    end
  end

  @doc "From here on the process is restarted when it ends."
  @spec complete(t) :: :ok
  def complete(phase), do: :atomics.put(phase, 1, @started)
end
