defmodule Pipeline.Package.Manifest do
  @moduledoc false
  # `plugin.json`: what a package says of itself, so that it can be judged before any of its code is loaded. Its schema is
  # `docs/package-manifest.schema.json`.

  alias Pipeline.{Foreign, JSON, Native}
  alias Pipeline.Package.Archive

  @format 1
  @most_bytes 4 * 1024 * 1024
  @keys ~w(format name version module plugin requires platforms modules files)
  @requires ~w(elixir otp pipeline_plugin)
  @folders ~w(ebin lib priv)

  @fields [:name, :version, :module, :plugin, :requires, :platforms, :modules, :files]
  @enforce_keys @fields
  defstruct @fields

  @type t :: %__MODULE__{
          # That of its OTP application.
          name: String.t(),
          version: String.t(),
          # The plugin, and all modules with their MD5.
          module: String.t(),
          modules: %{String.t() => String.t()},
          # The manifest of the plugin, as docs/plugin-manifest.schema.json has it.
          plugin: map,
          requires: %{elixir: String.t(), otp: pos_integer, pipeline_plugin: String.t()},
          # Empty for a package that runs everywhere.
          platforms: [String.t()],
          # All files but plugin.json and plugin.sig, with their SHA-256.
          files: %{Path.t() => String.t()}
        }

  @doc "The text of `plugin.json`."
  @spec encode(t) :: String.t()
  def encode(%__MODULE__{} = manifest) do
    manifest
    |> Map.from_struct()
    |> Map.new(fn {key, value} -> {Atom.to_string(key), value} end)
    |> Map.put("format", @format)
    |> Map.update!("requires", &Map.new(&1, fn {key, value} -> {Atom.to_string(key), value} end))
    |> JSON.encode()
  end

  @doc "How large a `plugin.json` may be. One with 5,000 files has 1 MiB."
  @spec most_bytes() :: pos_integer
  def most_bytes, do: @most_bytes

  @doc "The error of a larger one."
  @spec too_large(pos_integer) :: {:invalid_manifest, sentence :: String.t()}
  def too_large(most), do: {:invalid_manifest, "is larger than #{most} bytes"}

  @doc "Reads the text of a `plugin.json`."
  @spec decode(binary) :: {:ok, t} | {:error, {:invalid_manifest, sentence :: String.t()}}
  def decode(text) when byte_size(text) > @most_bytes,
    do: {:error, too_large(@most_bytes)}

  def decode(text) do
    with {:ok, json} <- JSON.decode(text), :ok <- check(json) do
      requires =
        for key <- [:elixir, :otp, :pipeline_plugin], into: %{}, do: {key, json["requires"]["#{key}"]}

      fields = for key <- @fields -- [:requires], do: {key, Map.fetch!(json, Atom.to_string(key))}

      {:ok, struct!(__MODULE__, [requires: requires] ++ fields)}
    else
      {:error, sentence} -> {:error, {:invalid_manifest, sentence}}
    end
  end

  @doc """
  The part `plugin` of `plugin.json`, from what a plugin says of itself.

  What JSON or the schema has no place for is left out: details of capabilities that are no flat values.
  """
  @spec describe(map) :: map
  def describe(manifest) do
    providers = Pipeline.Plugin.Manifest.providers(manifest)
    types = for {type, _module, _opts} <- providers, do: type

    %{
      "id" => id(manifest.id),
      "version" => manifest.version,
      "name" => text(manifest[:name]),
      "description" => text(manifest[:description]),
      "author" => text(manifest[:author]),
      "capabilities" =>
        for(
          {name, value} <- manifest.capabilities,
          name not in types,
          do: %{"name" => name(name), "values" => values(value)}
        ),
      "provides" => for({type, _module, opts} <- providers, do: provided(type, opts)),
      "dependencies" => for({target, opts} <- manifest.dependencies, do: dependency(target, opts)),
      "hooks" =>
        for(
          {kind, points} <- Enum.sort(manifest[:hooks] || %{}),
          point <- points,
          do: %{"kind" => name(kind), "point" => name(point)}
        )
    }
  end

  @doc "The id of the plugin as people write it."
  @spec plugin_id(t) :: String.t()
  def plugin_id(%__MODULE__{plugin: %{"id" => %{"text" => text}}}), do: inspect(text)
  def plugin_id(%__MODULE__{plugin: %{"id" => symbol}}), do: String.replace_prefix(symbol, "Elixir.", "")

  @doc "The private dependencies, as `NAME-VERSION`."
  @spec dependencies(t) :: [String.t()]
  def dependencies(%__MODULE__{files: files}) do
    for({"lib/" <> path, _sha} <- files, do: path |> Path.split() |> hd()) |> Enum.uniq() |> Enum.sort()
  end

  defp id(id) when is_binary(id), do: %{"text" => id}
  defp id(id), do: name(id)

  defp name({:unknown_atom, name}), do: name
  defp name(name) when is_atom(name), do: Atom.to_string(name)

  defp text(text) when is_binary(text), do: text
  defp text(_none), do: ""

  defp values(values) do
    for value <- List.wrap(values),
        is_boolean(value) or is_integer(value) or is_binary(value) or is_atom(value) or
          match?({:unknown_atom, _}, value),
        do:
          if(is_boolean(value) or is_integer(value) or is_binary(value),
            do: value,
            else: %{"symbol" => name(value)}
          )
  end

  defp provided(type, opts) do
    %{"type" => name(type), "priority" => opts[:priority] || 50, "default" => opts[:default] == true}
  end

  defp dependency(target, opts) do
    to =
      case target do
        {:capability, name} -> %{"capability" => name(name)}
        id -> %{"plugin" => id(id)}
      end

    to = if opts[:version], do: Map.put(to, "requirement", opts[:version]), else: to
    if opts[:optional] == true, do: Map.put(to, "optional", true), else: to
  end

  # Validation

  defp check(json) when is_map(json) do
    with :ok <- check_format(json["format"]), :ok <- check_keys(json, @keys, "") do
      Enum.find_value(@keys -- ["format"], :ok, fn key ->
        with :ok <- check_field(key, json[key]), do: nil
      end)
    end
  end

  defp check(_json), do: {:error, "is no object"}

  defp check_format(@format), do: :ok

  defp check_format(other),
    do: {:error, "has the format #{Foreign.term(other)}, and this version of the library reads #{@format}"}

  defp check_keys(map, known, of) do
    case {Enum.find(known, &(not is_map_key(map, &1))), Enum.find(Map.keys(map), &(&1 not in known))} do
      {nil, nil} -> :ok
      {missing, _} when missing != nil -> {:error, "has no #{of}#{missing}"}
      {nil, unknown} -> {:error, "has #{of}#{Foreign.line(unknown)}, which nobody knows"}
    end
  end

  defp check_field("name", name),
    do: expect(name?(name), name, "name", "the name of an OTP application, such as \"my_plugin\", belongs")

  defp check_field("version", version) do
    expect(version?(version), version, "version", "a semantic version, such as \"1.0.0\", belongs")
  end

  defp check_field("module", module),
    do: expect(module?(module), module, "module", "the name of a module belongs")

  defp check_field("plugin", plugin) do
    with true <- is_map(plugin), true <- id?(plugin["id"]), true <- version?(plugin["version"]) do
      :ok
    else
      _ -> {:error, "has a plugin without a valid id and version"}
    end
  end

  defp check_field("requires", requires) when is_map(requires) do
    with :ok <- check_keys(requires, @requires, "requires."),
         :ok <- check_requirement(requires, "elixir"),
         :ok <- check_requirement(requires, "pipeline_plugin") do
      expect(is_integer(requires["otp"]), requires["otp"], "requires.otp", "a number such as 25 belongs")
    end
  end

  defp check_field("platforms", platforms) do
    expect(
      is_list(platforms) and Enum.all?(platforms, &is_binary/1),
      platforms,
      "platforms",
      "a list of names belongs"
    )
  end

  defp check_field("modules", modules) do
    valid? = is_map(modules) and Enum.all?(modules, fn {name, md5} -> module?(name) and hex?(md5, 32) end)
    expect(valid?, modules, "modules", "an object of modules and their MD5 belongs")
  end

  defp check_field("files", files) do
    valid? = is_map(files) and Enum.all?(files, fn {path, sha} -> file?(path) and hex?(sha, 64) end)

    expect(
      valid?,
      files,
      "files",
      "an object of paths in #{Enum.join(@folders, ", ")} and their SHA-256 belongs"
    )
  end

  defp check_field(key, value), do: expect(false, value, key, "an object belongs")

  defp check_requirement(requires, key) do
    valid? = is_binary(requires[key]) and Native.Manifest.check_requirement(requires[key]) == :ok
    expect(valid?, requires[key], "requires.#{key}", "a version requirement, such as \"~> 1.14\", belongs")
  end

  defp expect(true, _value, _field, _where), do: :ok

  defp expect(false, value, field, where),
    do: {:error, "has #{field}: #{Foreign.term(value)}, where #{where}"}

  @doc "Whether a text can be the name of a package."
  @spec name?(term) :: boolean
  def name?(name), do: is_binary(name) and name =~ ~r/\A[a-z][a-z0-9_]{0,63}\z/

  @doc "Whether a text can be the version of a package."
  @spec version?(term) :: boolean
  def version?(version), do: is_binary(version) and Native.Manifest.check_version(version) == :ok

  defp id?(%{"text" => text}), do: is_binary(text)
  defp id?(id), do: is_binary(id)

  # No control character, no slash: it is the name of a file too.
  defp module?(module), do: is_binary(module) and module =~ ~r/\A[\p{L}\p{N}_.@?!-]{1,200}\z/u

  defp hex?(text, size), do: is_binary(text) and byte_size(text) == size and text =~ ~r/\A[0-9a-f]+\z/

  defp file?(path) do
    with true <- Archive.safe?(path), [folder, _ | _] <- String.split(path, "/") do
      folder in @folders
    else
      _ -> false
    end
  end
end
