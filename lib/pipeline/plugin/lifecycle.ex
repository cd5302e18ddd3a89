defmodule Pipeline.Plugin.Lifecycle do
  @moduledoc """
  The states that a plugin passes through.

  | state | |
  |---|---|
  | `:discovered` | its manifest was read and is valid |
  | `:resolved` | what it depends on is there |
  | `:loading` | it is being initialised and started; its hooks are not in place |
  | `:started` | it runs, with its hooks in place |
  | `:draining` | no new run calls its hooks; those that began before may still |
  | `:held` | it waits for what it depends on, without a process and without hooks |
  | `:stopped` | an operator stopped it, and it stays so until one starts it |
  | `:failed` | it crashed too often, or could not be started; it is tried again |

  Which follows on which the core decides. `Pipeline.Plugin.Manager.plugin_info/2` shows the state and, under
  `:history`, the last #{50} transitions, the latest first. Each is also a plugin event, `:plugin_state`.
  """

  alias Pipeline.Native
  alias Pipeline.Plugin.Events

  @kept 50

  @type state ::
          :discovered | :resolved | :loading | :started | :draining | :held | :stopped | :failed

  @typedoc "That a state was entered: when, and why."
  @type transition :: %{state: state, reason: term, at: DateTime.t()}

  @typedoc "A manifest with a state."
  @type info :: %{
          required(:id) => Pipeline.Plugin.plugin_id(),
          required(:state) => state,
          required(:history) => [transition],
          optional(atom) => term
        }

  @doc false
  @spec now() :: DateTime.t()
  def now, do: DateTime.utc_now()

  @doc false
  # Many that enter a state in one step do so at one time, which is asked for once.
  @spec discovered(map, reason :: term, DateTime.t()) :: info
  def discovered(manifest, reason, at \\ now()) do
    Map.merge(manifest, %{
      state: :discovered,
      history: [%{state: :discovered, reason: reason, at: at}],
      # Its place among hooks of equal rank, which it keeps.
      order: System.unique_integer([:monotonic, :positive])
    })
  end

  @doc false
  # Raises where there is no such transition: who asks has looked whether there is.
  @spec enter!(info, state, reason :: term, DateTime.t()) :: info
  def enter!(%{state: from, history: history} = info, to, reason, at \\ now()) do
    case Native.Lifecycle.enter(from, to) do
      :ok -> %{info | state: to, history: Enum.take([%{state: to, reason: reason, at: at} | history], @kept)}
      {:error, sentence} -> raise ArgumentError, "plugin #{inspect(info.id)}: #{sentence}"
    end
  end

  @doc false
  # The last transitions, told to who has subscribed to them. Nobody has where there is no instance.
  @spec announce([info], atom | nil) :: :ok
  def announce(infos, instance) do
    if instance != nil and Events.heard?(:plugin_state, instance),
      do: Enum.each(infos, &announce_one(&1, instance)),
      else: :ok
  end

  defp announce_one(%{id: id, history: [%{state: state, reason: reason, at: at} | before]}, instance) do
    from = with [%{state: from} | _] <- before, do: from, else: (_ -> nil)
    payload = %{id: id, from: from, to: state, reason: reason, at: at}
    Events.emit(:plugin_state, payload, instance: instance)
  end

  @doc false
  # States in which a plugin is known and does not run.
  @spec idle() :: [state]
  def idle, do: [:held, :stopped, :failed]
end
