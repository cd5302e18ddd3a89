defmodule Pipeline.Plugin.Lifecycle do
  @moduledoc false
  # The state of a plugin and the history of its transitions. `Pipeline.Plugin.Manager` documents the states.
  # The Rust core decides which state may follow which.

  alias Pipeline.Native
  alias Pipeline.Plugin.{Events, Telemetry}

  @kept 50

  @type state ::
          :discovered | :resolved | :loading | :started | :draining | :held | :stopped | :failed

  @typedoc "The entry into a state: when, and why."
  @type transition :: %{state: state, reason: term, at: DateTime.t()}

  @typedoc "A manifest with a state."
  @type info :: %{
          required(:id) => Pipeline.Plugin.plugin_id(),
          required(:state) => state,
          required(:history) => [transition],
          optional(atom) => term
        }

  @spec now() :: DateTime.t()
  def now, do: DateTime.utc_now()

  # Plugins that enter a state in one step share one time.
  @spec discovered(map, reason :: term, DateTime.t()) :: info
  def discovered(manifest, reason, at \\ now()) do
    Map.merge(manifest, %{
      state: :discovered,
      history: [%{state: :discovered, reason: reason, at: at}],
      # The plugin keeps this place among hooks of equal rank.
      order: System.unique_integer([:monotonic, :positive])
    })
  end

  # Raises for a transition that the core refuses: callers check the state first.
  @spec enter!(info, state, reason :: term, DateTime.t()) :: info
  def enter!(%{state: from, history: history} = info, to, reason, at \\ now()) do
    case Native.Lifecycle.enter(from, to) do
      :ok -> %{info | state: to, history: Enum.take([%{state: to, reason: reason, at: at} | history], @kept)}
      {:error, sentence} -> raise ArgumentError, "plugin #{inspect(info.id)}: #{sentence}"
    end
  end

  # Emits the last transitions as events `:plugin_state`. Without an instance there is no subscriber.
  @spec announce([info], atom | nil) :: :ok
  def announce(infos, instance) do
    Enum.each(infos, &Telemetry.state_changed(&1, instance))

    if instance != nil and Events.heard?(:plugin_state, instance),
      do: Enum.each(infos, &announce_one(&1, instance)),
      else: :ok
  end

  defp announce_one(%{id: id, history: [%{state: state, reason: reason, at: at} | before]}, instance) do
    from = with [%{state: from} | _] <- before, do: from, else: (_ -> nil)
    payload = %{id: id, from: from, to: state, reason: reason, at: at}
    Events.emit(:plugin_state, payload, instance: instance)
  end
end
