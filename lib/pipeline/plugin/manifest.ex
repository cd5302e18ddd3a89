defmodule Pipeline.Plugin.Manifest do
  @moduledoc """
  What a plugin says of itself: the map that `c:Pipeline.Plugin.__plugin__/0` returns.

  It comes from a module that is loaded or from a BEAM file that is not (`Pipeline.Plugin.Discovery`).
  """

  alias Pipeline.Plugin

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

  # What the core can hold.
  @number_limit 100_000_000_000_000
  @number_digits 14
  @highest_priority 0x7FFFFFFFFFFFFFFF

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
      nil -> Enum.find_value(@keys ++ [:hooks], :ok, &field_error(&1, manifest[&1]))
      key -> {:error, "its manifest has no #{inspect(key)}"}
    end
  end

  def check(other), do: {:error, "its manifest is not a map but #{inspect(other)}"}

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

  @doc false
  @spec id?(term) :: boolean
  def id?(id), do: valid_id?(id)

  @doc false
  # What the core can hold.
  @spec priority?(term) :: boolean
  def priority?(priority), do: is_integer(priority) and abs(priority) <= @highest_priority

  defp field_error(:id, id) do
    unless valid_id?(id), do: {:error, "its id is #{inspect(id)}, where an atom or a string belongs"}
  end

  defp field_error(:version, version) do
    unless version?(version) do
      {:error, "its version is #{inspect(version)}, which is not a semantic version such as \"1.0.0\""}
    end
  end

  defp field_error(:capabilities, capabilities) do
    if proper_list?(capabilities) and Enum.all?(capabilities, &capability?/1) do
      %{capabilities: capabilities} |> providers() |> Enum.find_value(&provider_error/1)
    else
      {:error, "its capabilities are #{inspect(capabilities)}, where a list of {name, value} belongs"}
    end
  end

  defp field_error(:dependencies, dependencies) do
    if proper_list?(dependencies) do
      Enum.find_value(dependencies, &dependency_error/1)
    else
      {:error, "its dependencies are #{inspect(dependencies)}, where a list of {id, options} belongs"}
    end
  end

  # Left out by a manifest that is written by hand.
  defp field_error(:hooks, nil), do: nil

  defp field_error(:hooks, hooks) do
    unless is_map(hooks) and
             Enum.all?(hooks, fn {kind, points} ->
               name?(kind) and proper_list?(points) and Enum.all?(points, &name?/1)
             end) do
      {:error, "its hooks are #{inspect(hooks)}, where a map from kinds to lists of hook points belongs"}
    end
  end

  defp capability?({name, _value}), do: name?(name)
  defp capability?(_other), do: false

  defp provider_error({type, _module, opts}) do
    priority = opts[:priority]

    unless is_nil(priority) or priority?(priority) do
      {:error, "its #{inspect(type)} has the priority #{inspect(priority)}, where an integer belongs"}
    end
  end

  defp dependency_error({target, opts} = dependency) do
    cond do
      not target?(target) ->
        {:error, "it depends on #{inspect(target)}, where a plugin id or capability: name belongs"}

      not Keyword.keyword?(opts) ->
        {:error, "its dependency #{inspect(dependency)} has options that are no keyword list"}

      opts[:version] != nil and not requirement?(opts[:version]) ->
        {:error,
         "it depends on #{inspect(target)} #{inspect(opts[:version])}, which is not a version requirement"}

      true ->
        nil
    end
  end

  defp dependency_error(other) do
    {:error, "its dependency #{inspect(other)} is not a pair of id and options"}
  end

  # Not by the core, which is not there yet while this library's own plugins are compiled. What is valid here is valid
  # there, which takes numbers of 14 digits at most.
  defp version?(text), do: plain_version?(text, 0) or parsed_version?(text)

  # Most are three numbers, which need no parser.
  defp plain_version?(<<digit, rest::binary>>, dots) when digit in ?1..?9, do: number?(rest, 1, dots)
  defp plain_version?("0" <> rest, dots), do: next_number?(rest, dots)
  defp plain_version?(_other, _dots), do: false

  defp number?(<<digit, rest::binary>>, digits, dots) when digit in ?0..?9 and digits < @number_digits,
    do: number?(rest, digits + 1, dots)

  defp number?(rest, _digits, dots), do: next_number?(rest, dots)

  defp next_number?("." <> rest, dots) when dots < 2, do: plain_version?(rest, dots + 1)
  defp next_number?(rest, dots), do: rest == "" and dots == 2

  defp parsed_version?(text) do
    with true <- text?(text), {:ok, version} <- Version.parse(text) do
      Enum.all?([version.major, version.minor, version.patch | version.pre], fn part ->
        not is_integer(part) or part < @number_limit
      end)
    else
      _ -> false
    end
  end

  defp requirement?(text) do
    text?(text) and match?({:ok, _}, Version.parse_requirement(text)) and
      not Regex.match?(~r/(?<![0-9A-Za-z])[0-9]{15,}(?![0-9A-Za-z])/, text)
  end

  defp target?({:capability, name}), do: name?(name)
  defp target?(id), do: valid_id?(id)

  # The name of an atom that the VM does not know, from a file.
  defp name?({:unknown_atom, name}), do: text?(name)
  defp name?(name), do: is_atom(name)

  defp valid_id?(id) when is_binary(id), do: text?(id)
  defp valid_id?(id), do: id not in [nil, true, false] and name?(id)

  defp text?(text), do: is_binary(text) and text != "" and String.valid?(text)

  defp proper_list?(list), do: is_list(list) and not List.improper?(list)
end
