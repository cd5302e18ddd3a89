defmodule Pipeline.Hook.SkipLog do
  @moduledoc false
  # Logs that a hook with `on_error: :skip` fails, at most once a minute for each hook, with the number of failures since.
  #
  # An exception appears by its name: its message can show the context.

  require Logger

  alias Pipeline.Foreign

  # Milliseconds.
  @pause 60_000

  # Words: from when on the next line is due, and the failures that no line has told of.
  @due 1
  @untold 2

  @type t :: :atomics.atomics_ref()

  @spec new() :: t
  def new do
    log = :atomics.new(2, [])
    :ok = :atomics.put(log, @due, now())
    log
  end

  @doc "Called for each failure that is skipped."
  @spec note(Pipeline.Hook.Registration.t(), :error | :exit | :throw, term, Exception.stacktrace()) :: :ok
  def note(%{skip_log: nil}, _kind, _reason, _stacktrace), do: :ok

  def note(%{skip_log: log} = hook, kind, reason, stacktrace) do
    :ok = :atomics.add(log, @untold, 1)
    now = now()
    due = :atomics.get(log, @due)

    if now >= due and :atomics.compare_exchange(log, @due, due, now + @pause) == :ok do
      text = text(hook, :atomics.exchange(log, @untold, 0), failure(kind, reason, stacktrace))
      Logger.warning(text, plugin: hook.plugin, instance: hook.instance, version: hook.version)
    end

    :ok
  end

  defp text(hook, count, failure) do
    times = if count == 1, do: "", else: " (#{count} times since the last such line)"

    "the #{inspect(hook.kind)} hook of plugin #{Foreign.term(hook.plugin)} on #{inspect(hook.point)} fails and is " <>
      "skipped#{times}: #{failure}; further failures are told once a minute"
  end

  defp failure(:error, reason, stacktrace) do
    %name{} = Foreign.normalize(reason, stacktrace)
    "it raised #{inspect(name)}#{place(stacktrace)}"
  end

  defp failure(:exit, _reason, stacktrace), do: "it exited#{place(stacktrace)}"
  defp failure(:throw, _reason, stacktrace), do: "it threw#{place(stacktrace)}"

  defp place([{module, function, arity, _location} | _]) when is_integer(arity),
    do: " in #{Exception.format_mfa(module, function, arity)}"

  defp place([{module, function, arguments, _location} | _]) when is_list(arguments),
    do: " in #{Exception.format_mfa(module, function, length(arguments))}"

  defp place(_stacktrace), do: ""

  defp now, do: System.monotonic_time(:millisecond)
end
