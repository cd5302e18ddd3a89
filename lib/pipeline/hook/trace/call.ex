defmodule Pipeline.Hook.Trace.Call do
  @moduledoc """
  A call of a hook in a traced run.

    * `:plugin`, `:kind`, `:tier` - the hook, as in `Pipeline.Hook.chain/2`; the base operation has the kind
      `:core` and no plugin
    * `:fun` - the name of a plugin's function
    * `:native` - library and name of a native hook
    * `:outcome` - how the call ended:
      * `:passed` - it called `next` and returned; a listener that returned `nil`
      * `:answered` - it returned without calling `next`: an early answer, or the value of a replace hook
      * `:refused` - it threw `{:hook_error, reason}`
      * `:failed` - it raised, exited, threw something else or took too long
      * `:skipped` - it failed, and the run went on as if it were not there
      * `:not_called` - its circuit is open
      * `:left` - a failure from further in, or of the base operation, passed through it
    * `:reason` - of a refusal or failure, without the terms that it failed on, as in the event `:hook_failed`
    * `:nanoseconds` - its time, without the time behind `next`
  """

  alias Pipeline.Foreign
  alias Pipeline.Hook.{Compiler, Failure, Registration}

  @type t :: %__MODULE__{
          plugin: Pipeline.Plugin.plugin_id() | nil,
          kind: Pipeline.Hook.kind() | :core,
          tier: :elixir | :native,
          fun: atom,
          native: {module, atom} | nil,
          outcome: :passed | :answered | :refused | :failed | :skipped | :not_called | :left,
          reason: term,
          nanoseconds: non_neg_integer
        }

  defstruct [:plugin, :kind, :fun, :native, :outcome, :reason, :nanoseconds, tier: :elixir]

  @doc false
  @spec new(Compiler.stage() | :core, Pipeline.Hook.Instrument.outcome(), non_neg_integer) :: t
  def new(:core, outcome, nanoseconds) do
    {outcome, reason} =
      case outcome do
        {:failed, :throw, {:hook_error, reason}, _stacktrace} -> {:refused, Foreign.refusal(reason)}
        {:failed, _kind, reason, _stacktrace} -> {:failed, Foreign.outline(reason)}
        _returned -> {:answered, nil}
      end

    %__MODULE__{kind: :core, outcome: outcome, reason: reason, nanoseconds: nanoseconds}
  end

  def new(stage, outcome, nanoseconds) do
    # A traced run calls native hooks one by one.
    [hook] = Compiler.hooks(stage)
    {outcome, reason} = ended(outcome, hook)
    reason = Registration.conceal(hook, reason)
    reason = if outcome == :refused, do: Foreign.refusal(reason), else: Foreign.outline(reason)
    described = hook |> Registration.describe() |> Map.take([:plugin, :kind, :tier, :native])

    struct!(
      %__MODULE__{
        outcome: outcome,
        reason: reason,
        nanoseconds: nanoseconds,
        fun: Registration.function_name(hook)
      },
      described
    )
  end

  defp ended({:failed, kind, reason, stacktrace}, %{sequence: sequence} = hook) do
    case {Failure.owner(kind, reason, stacktrace), kind, reason} do
      {{:not_called, %{sequence: ^sequence}}, _, error} -> {:not_called, error.reason}
      {owner, _, _} when owner != nil -> {:left, nil}
      {nil, :throw, {:hook_error, refusal}} when hook.on_error == :halt -> {:refused, refusal}
      {nil, _, _} when hook.on_error == :skip -> {:skipped, Failure.term(kind, reason, stacktrace)}
      {nil, _, _} -> {:failed, Failure.term(kind, reason, stacktrace)}
    end
  end

  defp ended(returned, _hook), do: {returned, nil}

  defimpl String.Chars do
    alias Pipeline.Foreign
    alias Pipeline.Hook.Trace.Duration

    def to_string(call) do
      [
        String.pad_trailing(Atom.to_string(call.kind), 8),
        String.pad_trailing(owner(call), 24),
        String.pad_leading(Duration.text(call.nanoseconds), 10),
        outcome(call)
      ]
      |> Enum.join(" ")
      |> String.trim_trailing()
    end

    defp owner(%{native: {_library, name}} = call), do: "#{inspect(call.plugin)} (#{name})"
    defp owner(%{kind: :core}), do: ""
    defp owner(%{fun: nil} = call), do: inspect(call.plugin)
    defp owner(call), do: "#{inspect(call.plugin)} (#{call.fun})"

    defp outcome(%{outcome: :passed}), do: ""
    defp outcome(%{outcome: :answered, kind: kind}) when kind in [:core, :replace], do: ""
    defp outcome(%{outcome: outcome, reason: nil}), do: " #{outcome}"
    defp outcome(call), do: " #{call.outcome}: #{reason(call.reason)}"

    defp reason(reason) when is_exception(reason), do: Foreign.message(reason)
    defp reason(reason), do: Foreign.term(reason)
  end
end
