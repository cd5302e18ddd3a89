defmodule Pipeline.Plugin.RPC do
  @moduledoc """
  Calls from plugin to plugin, and from the host to a plugin.

  A plugin answers in `c:Pipeline.Plugin.handle_rpc/2`. A plugin that is missing, crashes or is too slow is an error
  value, never an exit of the caller.
  """

  alias Pipeline.Plugin.{Names, Suggestion, Wrapper}

  @type reason ::
          {:not_loaded, Pipeline.Plugin.plugin_id()}
          | {:no_rpc, Pipeline.Plugin.plugin_id()}
          | {:timeout, Pipeline.Plugin.plugin_id()}
          | {:crashed, Pipeline.Plugin.plugin_id(), term}
          | {:calling_self, Pipeline.Plugin.plugin_id()}
          | term

  @doc """
  Calls a plugin and waits for its answer, at most `timeout` milliseconds.

  Returns what the plugin answered: `{:ok, reply}`, or `{:error, reason}` with its own reason or one of

    * `{:not_loaded, id}` - there is no such plugin
    * `{:no_rpc, id}` - it does not implement `c:Pipeline.Plugin.handle_rpc/2`
    * `{:timeout, id}` - it took too long; it may still do what was asked
    * `{:crashed, id, reason}` - it ended before it answered
    * `{:calling_self, id}` - it is the caller

  Option: `:instance`; by default that of the calling plugin, or the application's own.
  """
  @spec call(Pipeline.Plugin.plugin_id(), term, timeout, keyword) :: {:ok, term} | {:error, reason}
  def call(id, request, timeout \\ 5000, opts \\ []) do
    case whereis(id, opts, "Pipeline.Plugin.RPC.call/4") do
      nil -> {:error, {:not_loaded, id}}
      pid -> GenServer.call(pid, {:plugin_rpc, request}, timeout)
    end
  catch
    :exit, {:timeout, _} -> {:error, {:timeout, id}}
    :exit, {:noproc, _} -> {:error, {:not_loaded, id}}
    :exit, {:calling_self, _} -> {:error, {:calling_self, id}}
    :exit, {reason, {GenServer, :call, _}} -> {:error, {:crashed, id, reason}}
  end

  @doc """
  Sends a plugin a message, which it takes in `c:Pipeline.Plugin.handle_message/2`, and does not wait.

  Option: `:instance`, as for `call/4`.
  """
  @spec cast(Pipeline.Plugin.plugin_id(), term, keyword) ::
          :ok | {:error, {:not_loaded, Pipeline.Plugin.plugin_id()}}
  def cast(id, message, opts \\ []) do
    case whereis(id, opts, "Pipeline.Plugin.RPC.cast/3") do
      nil -> {:error, {:not_loaded, id}}
      pid -> GenServer.cast(pid, {:plugin_message, message})
    end
  end

  defp whereis(id, opts, function) do
    Suggestion.validate_options!(opts, [:instance], function)
    Names.whereis(opts[:instance] || Wrapper.instance() || Pipeline.Plugin, {:plugin, id})
  end
end
