defmodule Pipeline.Plugin.Manager.Stored do
  @moduledoc false
  # What the store of an instance knows of its plugins, so that they come back as they were: what they were loaded from, their
  # configuration, and an operator's options of their hooks.
  #
  # Secrets are not kept: they come from the configuration of the instance. A store that cannot be written changes nothing of
  # what runs, and is told.

  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Error, Lifecycle, Log, Packages, Store}
  alias Pipeline.Plugin.Manager.State

  @typedoc "A plugin to load: its module, its configuration, and what the loader says of it."
  @type plugin :: {module, config :: map, given :: map}

  @doc "Plugins run that are new to the instance. Those of its configuration need no entry."
  @spec loaded(State.t(), [Lifecycle.info()]) :: State.t()
  def loaded(%State{store: nil} = state, _infos), do: state

  def loaded(%State{store: store} = state, infos) do
    entries =
      for info <- infos do
        known = known(state, info)
        if configured?(state, info.id), do: {info.id, known}, else: {info.id, all(known, info)}
      end

    written(Store.put_loaded(store, entries), state, for({id, _} <- entries, do: id))
  end

  defp all(known, info) do
    %{
      known
      | source: source(info.module),
        as: is_map_key(info, :alias_of),
        config: config(info),
        overrides: overrides(info)
    }
  end

  @doc "A plugin has another configuration, other options of its hooks, or is of another module or package."
  @spec changed(State.t(), Plugin.plugin_id(), :config | :overrides | :source) :: State.t()
  def changed(%State{store: store, plugins: plugins} = state, id, what)
      when store != nil and is_map_key(plugins, id) do
    info = plugins[id]

    value =
      case what do
        :config -> config(info)
        :overrides -> overrides(info)
        :source -> source(info.module)
      end

    written(Store.put_loaded(store, [{id, Map.put(known(state, info), what, value)}]), state, [id])
  end

  def changed(state, _id, _what), do: state

  defp known(%{store: store}, %{id: id}),
    do: Store.loaded(store, id) || %{source: nil, as: false, config: nil, overrides: nil}

  defp configured?(state, id), do: MapSet.member?(state.configured, id)

  defp overrides(info) do
    overrides = Map.get(info, :overrides, %{})
    if overrides != %{}, do: :erlang.term_to_binary(overrides)
  end

  defp config(%{config: config} = info) do
    plain = without_secrets(config, info)
    if plain != %{} and storable?(plain), do: :erlang.term_to_binary(plain)
  end

  defp without_secrets(config, %{secrets: nil}), do: config

  defp without_secrets(config, %{secrets: secrets}) do
    shown = Pipeline.Secrets.shown(config, secrets)
    # A field that is shown otherwise holds a secret.
    if is_map(shown),
      do: Map.filter(config, fn {field, value} -> Map.get(shown, field) == value end),
      else: %{}
  end

  defp without_secrets(config, _info), do: config

  # Processes, ports, references and functions of this VM mean nothing to the next.
  defp storable?(term) when is_pid(term) or is_port(term) or is_reference(term), do: false
  defp storable?(fun) when is_function(fun), do: Function.info(fun, :type) == {:type, :external}
  defp storable?([head | tail]), do: storable?(head) and storable?(tail)
  defp storable?(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> storable?()
  defp storable?(map) when is_map(map), do: map |> Map.to_list() |> storable?()
  defp storable?(_term), do: true

  defp source(module) do
    case Packages.implementation().source(module) do
      nil -> {:module, Atom.to_string(module)}
      path -> {:package, path}
    end
  end

  @doc "Whether the store has a plugin as loaded."
  @spec known?(State.t(), Plugin.plugin_id()) :: boolean
  def known?(%State{store: store}, id), do: store != nil and Store.loaded(store, id) != nil

  @doc "A plugin is unloaded."
  @spec unloaded(State.t(), Plugin.plugin_id()) :: State.t()
  def unloaded(%State{store: nil} = state, _id), do: state

  def unloaded(%State{store: store} = state, id),
    do: written(Store.forget(store, id, configured?(state, id)), state, [id])

  defp written({:ok, store}, state, _ids), do: %{state | store: store}

  defp written({:error, error}, state, ids) do
    for id <- ids do
      Log.error(
        id,
        state.instance,
        "is not after a restart of the VM as it is now: " <> Exception.message(error)
      )
    end

    state
  end

  @doc "Called in a task: the plugins of the configuration as they were, without those that were unloaded, and then the others."
  @spec restore([{module, config :: map}], Store.t() | nil, folder :: Path.t() | nil) ::
          {[plugin], [Error.t()]}
  def restore(configured, nil, _folder),
    do: {for({module, config} <- configured, do: {module, config, %{}}), []}

  def restore(configured, store, folder) do
    wanted =
      for {module, config} <- configured, plugin = of_configuration(module, config, store, folder), do: plugin

    ids = for {module, _config} <- configured, {:ok, id} <- [id(module)], do: id
    others = for {key, loaded} <- Store.all_loaded(store, ids), do: other(key, loaded, folder)
    {plugins, wrong} = Enum.split_with(wanted ++ others, &match?({_module, _config, _given}, &1))
    {plugins, for({:error, error} <- wrong, do: error)}
  end

  defp of_configuration(module, config, store, folder) do
    case id(module) do
      {:ok, id} ->
        case Store.loaded(store, id) do
          nil -> unless Store.absent?(store, id), do: {module, config, %{}}
          loaded -> upgraded(id, module, config, loaded, folder)
        end

      # Why, is told when it is prepared.
      :error ->
        {module, config, %{}}
    end
  end

  defp upgraded(id, module, config, %{source: source} = loaded, folder) do
    case if(source, do: module(source, folder), else: {:ok, module}) do
      {:ok, module} -> {module, merge(config, loaded.config), hooks(loaded)}
      {:error, reason} -> lost(id, reason)
    end
  end

  @doc "The id of a plugin by its module."
  @spec id(module) :: {:ok, Plugin.plugin_id()} | :error
  def id(module) do
    with {:module, ^module} <- Code.ensure_loaded(module),
         %{id: id} <- module.__plugin__(),
         do: {:ok, id},
         else: (_ -> :error)
  rescue
    _ -> :error
  end

  defp merge(config, bytes), do: if(is_map(config), do: Map.merge(config, term(bytes, %{})), else: config)

  defp hooks(%{overrides: bytes}) do
    overrides = term(bytes, %{})
    if overrides == %{}, do: %{}, else: %{hooks: overrides}
  end

  # Of terms of another version, whose atoms this VM does not know, nothing is taken, nor of structs, which nobody wrote.
  defp term(nil, default), do: default

  defp term(bytes, default) do
    case :erlang.binary_to_term(bytes, [:safe]) do
      term when is_map(term) and not is_struct(term) -> term
      _other -> default
    end
  rescue
    ArgumentError -> default
  end

  defp other({_type, text} = key, loaded, folder) do
    with {:ok, module} <- module(loaded.source, folder), {:ok, as} <- as(key, loaded) do
      {module, term(loaded.config, %{}), Map.merge(hooks(loaded), as)}
    else
      {:error, reason} -> lost(text, reason)
    end
  end

  defp lost(id, reason),
    do: {:error, %Error{operation: :load, plugin: id, step: :validate, reason: {:stored, reason}}}

  defp as(_key, %{as: false}), do: {:ok, %{}}
  defp as({:string, id}, _loaded), do: {:ok, %{as: id}}

  defp as({:atom, text}, _loaded) do
    {:ok, %{as: String.to_existing_atom(text)}}
  rescue
    ArgumentError -> {:error, {:unknown_id, text}}
  end

  defp module({:package, path}, folder) do
    case Packages.implementation().modules([{path, %{}}], folder) do
      {:ok, [{module, _config}], _undo} -> {:ok, module}
      {:error, error} -> {:error, {:package, Exception.message(error)}}
    end
  end

  defp module({:module, text}, _folder) do
    {:ok, String.to_existing_atom(text)}
  rescue
    # Not loaded yet: its file says that there is such a module.
    ArgumentError ->
      if String.valid?(text) and :code.where_is_file(String.to_charlist(text <> ".beam")) != :non_existing,
        do: {:ok, String.to_atom(text)},
        else: {:error, {:no_module, text}}
  end
end
