defmodule Pipeline.Instance.Caller do
  @moduledoc false
  # The instance that the calling process works for, and the callback that the manager waits for in it.
  #
  # The process of a plugin, and a process that runs a hook point, have the instance in their dictionary.
  # Processes that these start have it through their `$callers`, `$ancestors` and parent.

  alias Pipeline.Instance

  @instance :"$pipeline_plugin_instance"
  @callback_key :"$pipeline_plugin_callback"
  @links [:"$callers", :"$ancestors"]

  @doc "Makes the calling process one of this instance."
  @spec enter(instance :: term) :: :ok
  def enter(instance) do
    Process.put(@instance, instance)
    :ok
  end

  @doc "Whether the calling process is known to work for an instance. On the path of every run, hence a macro."
  defmacro in?(instance) do
    quote do: :erlang.get(unquote(@instance)) === unquote(instance)
  end

  @doc "The same for the default instance, which a process works for that knows of no other."
  defmacro in_default? do
    quote do: :erlang.get(unquote(@instance)) in [:undefined, unquote(Instance.default())]
  end

  @doc "Does something for an instance. On the path of runs of instances that are not the default, hence a macro."
  defmacro within(instance, do: block) do
    quote do
      before = :erlang.put(unquote(@instance), unquote(instance))

      try do
        unquote(block)
      after
        if before == :undefined,
          do: :erlang.erase(unquote(@instance)),
          else: :erlang.put(unquote(@instance), before)
      end
    end
  end

  @doc "The instance that the calling process works for: the default one if it knows of no other."
  @spec instance() :: term
  def instance do
    with nil <- Process.get(@instance), nil <- inherited(), do: Instance.default()
  end

  @doc "The entry of the dictionary that a process needs to work for the same instance, if there is one."
  @spec entries() :: [{atom, term}]
  def entries, do: for(instance when instance != nil <- [Process.get(@instance)], do: {@instance, instance})

  # A process of the host that has looked once does not look again.
  defp inherited do
    {:parent, parent} = Process.info(self(), :parent)
    links = Enum.flat_map(@links, &Process.get(&1, [])) ++ [parent]
    links = for pid when is_pid(pid) and node(pid) == node() <- links, do: pid

    unless links == [] or Process.get({@instance, links}) do
      instance = Enum.find_value(links, &of/1)
      if instance, do: enter(instance), else: Process.put({@instance, links}, :none)
      instance
    end
  end

  defp of(pid) do
    with {:dictionary, entries} <- Process.info(pid, :dictionary),
         {@instance, instance} <- List.keyfind(entries, @instance, 0),
         do: instance,
         else: (_none -> nil)
  end

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
