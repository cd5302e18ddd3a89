defmodule Pipeline.Instance.Caller do
  @moduledoc false
  # What a process knows of itself: the instance whose plugin it is, and the callback that the manager waits for.

  @instance :"$pipeline_plugin_instance"
  @callback_key :"$pipeline_plugin_callback"

  @doc "Makes the calling process one of a plugin of this instance."
  @spec enter(instance :: term) :: :ok
  def enter(instance) do
    Process.put(@instance, instance)
    :ok
  end

  @doc "Runs a callback of a plugin of this instance in a process that is no process of the plugin."
  @spec within(instance :: term, (() -> result)) :: result when result: term
  def within(instance, fun) do
    before = Process.put(@instance, instance)

    try do
      fun.()
    after
      if before == nil, do: Process.delete(@instance), else: Process.put(@instance, before)
    end
  end

  @doc "The instance whose plugin the calling process is, `nil` if it is none."
  @spec instance() :: term | nil
  def instance, do: Process.get(@instance)

  @doc "The callback that the manager waits for in the calling process, `nil` if it waits for none."
  @spec callback() :: atom | nil
  def callback, do: Process.get(@callback_key)

  @doc "Runs a callback that the manager waits for."
  @spec in_callback(atom, (() -> result)) :: result when result: term
  def in_callback(name, fun) do
    Process.put(@callback_key, name)
    fun.()
  after
    Process.delete(@callback_key)
  end
end
