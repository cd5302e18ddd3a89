defmodule Pipeline.Hook.Trace.Call do
  @moduledoc """
  A call of a hook in a run that was traced.

    * `:plugin`, `:kind`, `:tier` - whose hook it is, as in `Pipeline.Hook.chain/2`; the base operation has the kind
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
      * `:left` - what failed further in, or in the base operation, went through it
    * `:reason` - of a refusal or failure, without the terms that it failed on, as in the event `:hook_failed`
    * `:nanoseconds` - its time, without what it waited for behind `next`
  """

  alias Pipeline.Foreign
  alias Pipeline.Hook.{Chain, Error, Failure, Registration}

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
  @spec new(Chain.ready() | :core, Pipeline.Hook.Instrument.outcome(), non_neg_integer) :: t
  def new(:core, outcome, nanoseconds) do
    {outcome, reason} =
      case outcome do
        {:failed, :throw, {:hook_error, reason}, _stacktrace} -> {:refused, Foreign.refusal(reason)}
        {:failed, _kind, reason, _stacktrace} -> {:failed, Foreign.outline(reason)}
        _returned -> {:answered, nil}
      end

    %__MODULE__{kind: :core, outcome: outcome, reason: reason, nanoseconds: nanoseconds}
  end

  def new(ready, outcome, nanoseconds) do
    # Native hooks are run one by one in a run that is traced.
    [entry | _] = Chain.hooks(ready)
    {outcome, reason} = ended(outcome, entry)
    reason = Registration.conceal(entry, reason)
    reason = if outcome == :refused, do: Foreign.refusal(reason), else: Foreign.outline(reason)
    described = entry |> Registration.describe() |> Map.take([:plugin, :kind, :tier, :native])

    struct!(
      %__MODULE__{
        outcome: outcome,
        reason: reason,
        nanoseconds: nanoseconds,
        fun: Registration.function_name(entry)
      },
      described
    )
  end

  @doc false
  @spec skipped(t, Pipeline.Hook.Error.t()) :: t
  def skipped(call, %Error{reason: :circuit_open}), do: %{call | outcome: :not_called, reason: :circuit_open}
  def skipped(call, error), do: %{call | outcome: :skipped, reason: Foreign.outline(error.reason)}

  defp ended({:failed, kind, reason, stacktrace}, entry) do
    case {Failure.owner(kind, reason, stacktrace), kind, reason} do
      {:core, _, _} ->
        {:left, nil}

      {{:not_called, %{registration: of}}, _, error} ->
        if of == entry.registration, do: {:not_called, error.reason}, else: {:left, nil}

      {owner, _, _} when owner != nil and owner.registration != entry.registration ->
        {:left, nil}

      # A listener's.
      {nil, :error, %Error{reason: :circuit_open, stacktrace: []} = error} when entry.circuit != nil ->
        {:not_called, error.reason}

      {_, :throw, {:hook_error, refusal}} when entry.on_error == :halt ->
        {:refused, refusal}

      # A listener has nobody further in.
      {nil, _, _} when entry.on_error == :skip ->
        {:skipped, Failure.term(kind, reason, stacktrace)}

      {_, _, _} ->
        {:failed, Failure.term(kind, reason, stacktrace)}
    end
  end

  defp ended(returned, _entry), do: {returned, nil}

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
