defmodule Pipeline.Events do
  @moduledoc """
  Events of an instance, delivered to processes.

      :ok = Pipeline.Events.subscribe(:pipeline_complete)
      :ok = Pipeline.Events.emit(:pipeline_complete, %{nodes: 5})
      receive do
        {:pipeline_event, :pipeline_complete, %{nodes: 5}} -> :seen
      end

  An event is any term. Who has subscribed to it gets the message `{:pipeline_event, event, payload}`; a subscription
  ends with its process. Emitting runs in the caller and waits for nobody.

  All functions take the option `:instance`, by default the application's own. Events of plugins go through
  `Pipeline.Plugin.Events`.
  """

  alias Pipeline.Events.Subscriptions
  alias Pipeline.Plugin.Suggestion

  @type event :: term
  @type payload :: term

  @doc "Sends an event to all who have subscribed to it."
  @spec emit(event, payload, keyword) :: :ok
  def emit(event, payload, opts \\ []) do
    Subscriptions.dispatch(instance(opts, "Pipeline.Events.emit/3"), event, {:pipeline_event, event, payload})
  end

  @doc "Subscribes the calling process to an event. A second subscription to it changes nothing."
  @spec subscribe(event, keyword) :: :ok
  def subscribe(event, opts \\ []) do
    Subscriptions.add(instance(opts, "Pipeline.Events.subscribe/2"), event)
  end

  @doc "Ends the calling process's subscription to an event."
  @spec unsubscribe(event, keyword) :: :ok
  def unsubscribe(event, opts \\ []) do
    Subscriptions.remove(instance(opts, "Pipeline.Events.unsubscribe/2"), event)
  end

  defp instance(opts, function) do
    Suggestion.validate_options!(opts, [:instance], function)[:instance] || Pipeline.Plugin
  end
end
