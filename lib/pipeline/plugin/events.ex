defmodule Pipeline.Plugin.Events do
  @moduledoc """
  Events among plugins.

  A plugin subscribes with its own id, usually in `c:Pipeline.Plugin.start/1`, and takes events in
  `c:Pipeline.Plugin.handle_event/3`. A process that is no plugin subscribes with its pid and gets the message
  `{:pipeline_event, {:plugin, type}, payload}`.

  ## Events of the system itself

    * `:plugin_loaded`, `:plugin_unloaded`, `:plugin_failed` - with `%{id: id}`, the last also with `:reason`
    * `:plugin_config_updated` - with `%{id: id}`, see `Pipeline.Plugin.Manager.update_config/3`
    * `:plugin_limit_exceeded` - see `Pipeline.Plugin.Resources`
    * `:hook_failed` - with `%{error: %Pipeline.Hook.Error{}}`
  """

  alias Pipeline.Events
  alias Pipeline.Plugin.{Names, Suggestion, Wrapper}

  @doc """
  Sends an event to all plugins and processes that have subscribed to it.

  Option: `:instance`, by default that of the plugin that emits, or the application's own.
  """
  @spec emit(type :: term, payload :: term, keyword) :: :ok
  def emit(type, payload, opts \\ []) do
    Suggestion.validate_options!(opts, [:instance], "Pipeline.Plugin.Events.emit/3")
    Events.emit({:plugin, type}, payload, instance: opts[:instance] || Wrapper.instance() || Pipeline.Plugin)
  end

  @doc """
  Subscribes a plugin, or the calling process by its pid, to events of a type.

  Option: `:instance`, by default the application's own; a plugin that subscribes itself has its own by default.
  """
  @spec subscribe(Pipeline.Plugin.plugin_id() | pid, type :: term, keyword) ::
          :ok | {:error, {:not_loaded | :timeout, Pipeline.Plugin.plugin_id()}}
  def subscribe(subscriber, type, opts \\ []) do
    change(
      subscriber,
      opts,
      "Pipeline.Plugin.Events.subscribe/3",
      &Events.subscribe({:plugin, type}, &1),
      fn ->
        {:subscribe, type}
      end
    )
  end

  @doc "Ends a subscription."
  @spec unsubscribe(Pipeline.Plugin.plugin_id() | pid, type :: term, keyword) ::
          :ok | {:error, {:not_loaded | :timeout, Pipeline.Plugin.plugin_id()}}
  def unsubscribe(subscriber, type, opts \\ []) do
    change(
      subscriber,
      opts,
      "Pipeline.Plugin.Events.unsubscribe/3",
      &Events.unsubscribe({:plugin, type}, &1),
      fn ->
        {:unsubscribe, type}
      end
    )
  end

  # A subscription belongs to the process that makes it, so a plugin's process is asked to make its own.
  defp change(subscriber, opts, function, here, request) do
    Suggestion.validate_options!(opts, [:instance], function)
    instance = opts[:instance] || Wrapper.instance() || Pipeline.Plugin
    process = if is_pid(subscriber), do: subscriber, else: Names.whereis(instance, {:plugin, subscriber})

    cond do
      process == self() ->
        here.(instance: instance)

      is_pid(subscriber) ->
        raise ArgumentError, "a process subscribes itself: #{function} takes self() or a plugin id"

      process == nil ->
        {:error, {:not_loaded, subscriber}}

      true ->
        GenServer.call(process, request.())
    end
  catch
    :exit, {:timeout, _} -> {:error, {:timeout, subscriber}}
    :exit, _ -> {:error, {:not_loaded, subscriber}}
  end
end
