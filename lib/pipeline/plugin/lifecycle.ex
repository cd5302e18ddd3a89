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
  | `:failed` | it crashed too often, or could not be started |

  Which follows on which the core decides. `Pipeline.Plugin.Manager.plugin_info/2` shows the state and, under
  `:history`, the last #{50} transitions, the latest first. Each is also a plugin event, `:plugin_state`.
  """

  alias Pipeline.Core

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
  @spec discovered(map, reason :: term) :: info
  def discovered(manifest, reason) do
    Map.merge(manifest, %{
      state: :discovered,
      history: [transition(:discovered, reason)],
      # Its place among hooks of equal rank, which it keeps.
      order: System.unique_integer([:monotonic, :positive])
    })
  end

  @doc false
  # Raises where there is no such transition: who asks has looked whether there is.
  @spec enter!(info, state, reason :: term) :: info
  def enter!(%{state: from, history: history} = info, to, reason) do
    case Core.lifecycle_enter(from, to) do
      :ok -> %{info | state: to, history: Enum.take([transition(to, reason) | history], @kept)}
      {:error, sentence} -> raise ArgumentError, "plugin #{inspect(info.id)}: #{sentence}"
    end
  end

  defp transition(state, reason), do: %{state: state, reason: reason, at: DateTime.utc_now()}

  @doc false
  # The last transition, told to who has subscribed to it. Nobody has where there is no instance.
  @spec announce(info, atom | nil) :: :ok
  def announce(_info, nil), do: :ok

  def announce(%{id: id, history: [%{state: state, reason: reason, at: at} | before]}, instance) do
    from = with [%{state: from} | _] <- before, do: from, else: (_ -> nil)
    payload = %{id: id, from: from, to: state, reason: reason, at: at}
    Pipeline.Plugin.Events.emit(:plugin_state, payload, instance: instance)
  end

  @doc false
  # States in which a plugin is known and does not run.
  @spec idle() :: [state]
  def idle, do: [:held, :stopped, :failed]
end
