defmodule Pipeline.Hook.Propagation do
  @moduledoc false
  # The entries of the caller's process dictionary that a task of a hook gets: the instance, metadata and
  # level of the Logger, the context of OpenTelemetry, and those that `config :pipeline_plugin, propagate:
  # [key]` names.

  alias Pipeline.Instance.Caller

  @keys [:"$logger_metadata$", :"$__current_otel_ctx"]

  @doc "Returns a function that gives them to the process that calls it."
  @spec capture() :: (() -> :ok)
  def capture do
    entries =
      Caller.entries() ++ for(key <- @keys ++ keys(), (value = Process.get(key)) != nil, do: {key, value})

    level = Logger.get_process_level(self())

    fn ->
      for {key, value} <- entries, do: Process.put(key, value)
      if level, do: Logger.put_process_level(self(), level)
      :ok
    end
  end

  defp keys do
    case Application.get_env(:pipeline_plugin, :propagate, []) do
      keys when is_list(keys) ->
        keys

      other ->
        raise ArgumentError,
              "config :pipeline_plugin, propagate: is a list of keys of the process dictionary, got: #{inspect(other)}"
    end
  end
end
