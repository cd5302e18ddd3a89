defmodule Pipeline.Plugin.Manifest do
  @moduledoc """
  What a plugin says of itself: the map that `c:Pipeline.Plugin.__plugin__/0` returns.

  It comes from a module that is loaded or from a BEAM file that is not (`Pipeline.Plugin.Discovery`).
  """

  alias Pipeline.{CopiedSize, Foreign, Native, Plugin}
  alias Pipeline.Plugin.Capabilities

  @typedoc """
  A manifest.

  `hooks` lists the points of each kind. `spec` is the `Pipeline.Hook.Spec` that the plugin was compiled against.
  """
  @type t :: %{
          required(:id) => Plugin.plugin_id(),
          required(:name) => String.t(),
          required(:version) => Plugin.version(),
          required(:description) => String.t(),
          required(:author) => String.t(),
          required(:capabilities) => [Plugin.capability()],
          required(:dependencies) => [Plugin.dependency()],
          required(:hooks) => %{Pipeline.Hook.kind() => [atom]},
          required(:spec) => module | nil
        }

  @keys [:id, :version, :capabilities, :dependencies]

  # Bytes of a manifest in a process. A copy of it goes to the core, and shares nothing.
  @most_bytes 8 * 1024 * 1024

  # All atoms that stand in manifests whatever the plugin.
  @words @keys ++
           [:name, :description, :author, :hooks, :spec, :capability, :optional, :module, :priority, :default] ++
           [:before, :after, :around, :replace, :listen]

  @doc false
  # To be called before manifests are read from files: an atom that the VM has not seen yet is not made then, and a
  # module of this library may not have been loaded yet.
  @spec words() :: [atom]
  def words, do: @words

  @doc """
  Checks a manifest that comes from outside the macro.

  The error is a sentence that names the field.

      iex> Pipeline.Plugin.Manifest.check(%{id: :x, version: "1", capabilities: [], dependencies: []})
      {:error, "its version is \\"1\\", which is not a semantic version such as \\"1.0.0\\""}
  """
  @spec check(term) :: :ok | {:error, String.t()}
  def check(manifest) when is_map(manifest) do
    case Enum.find(@keys, &(not is_map_key(manifest, &1))) do
      nil -> size_error(manifest) || Enum.find_value(@keys ++ [:hooks], :ok, &field_error(&1, manifest[&1]))
      key -> {:error, "its manifest has no #{inspect(key)}"}
    end
  end

  def check(other), do: {:error, "its manifest is not a map but #{Foreign.term(other)}"}

  @doc """
  The providers that the manifest declares: a capability whose value is a keyword list with a `:module`.
  """
  @spec providers(%{:capabilities => [Plugin.capability()], optional(any) => any}) ::
          [{type :: atom, module, keyword}]
  def providers(%{capabilities: capabilities}) do
    for {type, value} <- capabilities, Keyword.keyword?(value), module = value[:module] do
      {type, module, Keyword.delete(value, :module)}
    end
  end

  defp size_error(manifest) do
    unless CopiedSize.within?(manifest, @most_bytes) do
      {:error, "its manifest takes more than #{div(@most_bytes, 1024 * 1024)} MiB; shorten it"}
    end
  end

  defp field_error(:id, id) do
    cond do
      Native.Id.valid?(id) -> nil
      too_long?(id) -> too_long("id", id, Native.Id.most_bytes())
      true -> {:error, "its id is #{Foreign.term(id)}, where an atom or a string belongs"}
    end
  end

  defp field_error(:version, version) do
    case is_binary(version) and Native.Manifest.check_version(version) do
      :ok ->
        nil

      {:too_long, limit} ->
        too_long("version", version, limit)

      _invalid ->
        {:error, "its version is #{Foreign.term(version)}, which is not a semantic version such as \"1.0.0\""}
    end
  end

  defp field_error(:capabilities, capabilities) do
    cond do
      not (proper_list?(capabilities) and Enum.all?(capabilities, &capability?/1)) ->
        {:error, "its capabilities are #{Foreign.term(capabilities)}, where a list of {name, value} belongs"}

      Capabilities.index(capabilities) == :too_many ->
        {:error,
         "its capabilities are too many or too large, and #{Capabilities.bounds()}; shorten their lists"}

      true ->
        %{capabilities: capabilities} |> providers() |> Enum.find_value(&provider_error/1)
    end
  end

  defp field_error(:dependencies, dependencies) do
    if proper_list?(dependencies) do
      Enum.find_value(dependencies, &dependency_error/1)
    else
      {:error, "its dependencies are #{Foreign.term(dependencies)}, where a list of {id, options} belongs"}
    end
  end

  # Left out by a manifest that is written by hand.
  defp field_error(:hooks, nil), do: nil

  defp field_error(:hooks, hooks) do
    unless is_map(hooks) and
             Enum.all?(hooks, fn {kind, points} ->
               Native.Id.name?(kind) and proper_list?(points) and Enum.all?(points, &Native.Id.name?/1)
             end) do
      {:error, "its hooks are #{Foreign.term(hooks)}, where a map from kinds to lists of hook points belongs"}
    end
  end

  defp capability?({name, _value}), do: Native.Id.name?(name)
  defp capability?(_other), do: false

  defp provider_error({type, _module, opts}) do
    priority = opts[:priority]

    unless is_nil(priority) or Native.HookOrder.priority?(priority) do
      {:error,
       "its #{Foreign.term(type)} has the priority #{Foreign.term(priority)}, where an integer belongs"}
    end
  end

  defp dependency_error({target, opts} = dependency) do
    cond do
      not target?(target) ->
        {:error, "it depends on #{Foreign.term(target)}, where a plugin id or capability: name belongs"}

      not Keyword.keyword?(opts) ->
        {:error, "its dependency #{Foreign.term(dependency)} has options that are no keyword list"}

      true ->
        requirement_error(target, opts[:version])
    end
  end

  defp dependency_error(other) do
    {:error, "its dependency #{Foreign.term(other)} is not a pair of id and options"}
  end

  defp requirement_error(_target, nil), do: nil

  defp requirement_error(target, requirement) do
    case is_binary(requirement) and Native.Manifest.check_requirement(requirement) do
      :ok ->
        nil

      {:too_long, limit} ->
        {:error,
         "it depends on #{Foreign.term(target)} by a requirement of #{byte_size(requirement)} bytes, and #{limit} are " <>
           "allowed; shorten it"}

      _invalid ->
        {:error,
         "it depends on #{Foreign.term(target)} #{Foreign.term(requirement)}, which is not a version requirement"}
    end
  end

  defp too_long(field, text, limit) do
    {:error, "its #{field} has #{byte_size(text)} bytes, and #{limit} are allowed; shorten it"}
  end

  defp too_long?(id), do: is_binary(id) and byte_size(id) > Native.Id.most_bytes()

  defp target?({:capability, name}), do: Native.Id.name?(name)
  defp target?(id), do: Native.Id.valid?(id)

  defp proper_list?(list), do: is_list(list) and not List.improper?(list)
end
