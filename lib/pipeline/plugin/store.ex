defmodule Pipeline.Plugin.Store do
  @moduledoc false
  # Keeps in one file what an instance must remember when the VM ends: which plugins were loaded, with what configuration and
  # options of hooks, which of the configured ones were unloaded, and which an operator disabled.
  #
  # The file is `magic <> md5 <> term`, where the term is `%{version: 1 | 2, plugins: %{id => entry}}`; version 1 knew only of
  # those that are disabled. Ids, modules and packages are kept as text, and configurations as bytes, and the term is read with
  # `:safe`, so a file never makes an atom.
  # A file is checked before anything is taken from it: its kind, its size, and the shape of the term, which
  # may not be compressed.
  #
  # A store is a value. It is read once, and each change replaces the whole file before it returns. Give a
  # path to one instance only: with two, the file stays whole, but the last writer wins.

  require Logger

  alias Pipeline.{Foreign, Plugin}
  alias Pipeline.Plugin.Store.{Disk, Error}

  @magic "pipeline plugins\n"
  @version 2
  @readable [1, 2]

  # Bytes of a reason that is text. A longer one is cut.
  @reason 1_000

  @enforce_keys [:path]
  defstruct [:path, plugins: %{}]

  @typep key :: {:atom | :string, String.t()}
  @opaque t :: %__MODULE__{path: Path.t(), plugins: %{key => map}}

  @typedoc "When a plugin was disabled, in microseconds since 1970, and why."
  @type disabled :: %{since: integer, reason: String.t() | nil}

  @typedoc """
  What a plugin was loaded from, and with: terms as bytes, `nil` where there is nothing to say. `as` says whether its id is
  another than its own. One that the instance is configured with has no source, unless it was upgraded to another.
  """
  @type loaded :: %{
          source: {:module | :package, String.t()} | nil,
          as: boolean,
          config: binary | nil,
          overrides: binary | nil
        }

  @doc "Checks that a store can be kept at a path, and removes what killed writers left there."
  @spec check_writable(Path.t()) :: :ok | {:error, Error.t()}
  def check_writable(path), do: path |> Path.expand() |> Disk.check_writable() |> or_error(path)

  @doc """
  Reads the store at a path. A missing file is an empty store.

  A torn, foreign or changed file is renamed to `PATH.corrupt-TIME` and logged; the store is empty then. So is
  one of more than 64 MiB. What is not a regular file, such as a device or a pipe, is an error.
  """
  @spec open(Path.t()) :: {:ok, t} | {:error, Error.t()}
  def open(path) do
    path = Path.expand(path)

    case Disk.read(path) do
      {:ok, binary} -> decode(binary, %__MODULE__{path: path})
      {:too_large, most} -> set_aside(%__MODULE__{path: path}, "has more than #{most} bytes")
      {:error, {:read, :enoent}} -> {:ok, %__MODULE__{path: path}}
      error -> or_error(error, path)
    end
  end

  @doc "Returns when and why a plugin was disabled."
  @spec disabled(t, Plugin.plugin_id()) :: {:ok, disabled} | :error
  def disabled(%__MODULE__{plugins: plugins}, id) do
    with {:ok, plugin} <- Map.fetch(plugins, key(id)), do: Map.fetch(plugin, :disabled)
  end

  @spec disabled?(t, Plugin.plugin_id()) :: boolean
  def disabled?(%__MODULE__{} = store, id), do: disabled(store, id) != :error

  @doc """
  Records that a plugin is disabled from now on.

  A reason that is not text is kept as one line that shows it, and one of more than #{@reason} bytes is cut.
  """
  @spec put(t, Plugin.plugin_id(), reason :: term) :: {:ok, t} | {:error, Error.t()}
  def put(%__MODULE__{plugins: plugins} = store, id, reason \\ nil) do
    entry = %{since: System.system_time(:microsecond), reason: text(reason)}
    write(store, Map.update(plugins, key(id), %{disabled: entry}, &Map.put(&1, :disabled, entry)))
  end

  @doc "Records that a plugin is no longer disabled."
  @spec delete(t, Plugin.plugin_id()) :: {:ok, t} | {:error, Error.t()}
  def delete(%__MODULE__{} = store, id) do
    if disabled?(store, id), do: change(store, id, &Map.delete(&1, :disabled)), else: {:ok, store}
  end

  @doc "Records what plugins are loaded from and with, all in one write."
  @spec put_loaded(t, [{Plugin.plugin_id(), loaded}]) :: {:ok, t} | {:error, Error.t()}
  def put_loaded(store, []), do: {:ok, store}

  def put_loaded(%__MODULE__{plugins: plugins} = store, loaded) do
    changed =
      for {id, entry} <- loaded, reduce: plugins do
        plugins ->
          known = plugins |> Map.get(key(id), %{}) |> Map.delete(:absent)
          entry = if empty?(entry), do: Map.delete(known, :loaded), else: Map.put(known, :loaded, entry)
          if entry == %{}, do: Map.delete(plugins, key(id)), else: Map.put(plugins, key(id), entry)
      end

    if changed == plugins, do: {:ok, store}, else: write(store, changed)
  end

  defp empty?(%{source: source, config: config, overrides: overrides}),
    do: source == nil and config == nil and overrides == nil

  @doc """
  Records that a plugin is unloaded: `absent?` for one that the instance is configured with. One that is disabled stays so.
  """
  @spec forget(t, Plugin.plugin_id(), absent? :: boolean) :: {:ok, t} | {:error, Error.t()}
  def forget(%__MODULE__{plugins: plugins} = store, id, absent?) do
    entry = plugins |> Map.get(key(id), %{}) |> Map.take([:disabled])
    entry = if absent?, do: Map.put(entry, :absent, true), else: entry
    changed = if entry == %{}, do: Map.delete(plugins, key(id)), else: Map.put(plugins, key(id), entry)
    if changed == plugins, do: {:ok, store}, else: write(store, changed)
  end

  @doc "Whether an operator has unloaded a plugin that the instance is configured with."
  @spec absent?(t, Plugin.plugin_id()) :: boolean
  def absent?(%__MODULE__{plugins: plugins}, id), do: match?(%{absent: true}, plugins[key(id)])

  @doc "What a plugin was loaded with."
  @spec loaded(t, Plugin.plugin_id()) :: loaded | nil
  def loaded(%__MODULE__{plugins: plugins}, id), do: plugins[key(id)][:loaded]

  @doc "All that were loaded, but for some, by the text of the id and its type."
  @spec all_loaded(t, [Plugin.plugin_id()]) :: [{{:atom | :string, String.t()}, loaded}]
  def all_loaded(%__MODULE__{plugins: plugins}, except) do
    except = Enum.map(except, &key/1)

    for {key, %{loaded: %{source: source} = loaded}} when source != nil <- Enum.sort(plugins),
        key not in except,
        do: {key, loaded}
  end

  defp change(%{plugins: plugins} = store, id, fun) do
    case fun.(Map.get(plugins, key(id), %{})) do
      entry when entry == %{} -> write(store, Map.delete(plugins, key(id)))
      entry -> write(store, Map.put(plugins, key(id), entry))
    end
  end

  defp text(nil), do: nil
  defp text(text) when is_binary(text) and byte_size(text) <= @reason, do: text

  defp text(text) when is_binary(text), do: text |> Foreign.line() |> cut(@reason - 3) |> Kernel.<>("...")
  defp text(term), do: term |> Foreign.term() |> text()

  # Valid text is so again once it is up to three bytes shorter.
  defp cut(text, bytes) when byte_size(text) <= bytes, do: text

  defp cut(text, bytes) do
    part = binary_part(text, 0, bytes)
    if String.valid?(part), do: part, else: cut(text, bytes - 1)
  end

  defp write(%{path: path} = store, plugins) do
    with :ok <- path |> Disk.write(encode(plugins)) |> or_error(path), do: {:ok, %{store | plugins: plugins}}
  end

  defp encode(plugins) do
    term = :erlang.term_to_binary(%{version: @version, plugins: plugins}, minor_version: 2)
    [@magic, :erlang.md5(term), term]
  end

  defp decode(<<@magic, md5::binary-16, term::binary>>, store) do
    if :erlang.md5(term) == md5,
      do: decode_term(term, store),
      else: set_aside(store, "is torn or was changed")
  end

  defp decode(binary, store) do
    torn? = String.starts_with?(@magic, binary) or String.starts_with?(binary, @magic)
    set_aside(store, if(torn?, do: "is torn or was changed", else: "is not a plugin store"))
  end

  # Compressed, a small file could hold gigabytes.
  defp decode_term(<<131, 80, _::binary>>, store),
    do: set_aside(store, "has content that this release cannot read")

  # `safe` refuses atoms that this VM does not know, as those of a later version can be.
  defp decode_term(term, store) do
    case :erlang.binary_to_term(term, [:safe]) do
      %{version: version, plugins: %{} = plugins} when version in @readable ->
        if Enum.all?(plugins, &entry?/1),
          do: {:ok, %{store | plugins: plugins}},
          else: set_aside(store, "has content that this release cannot read")

      %{version: version} when version not in @readable ->
        set_aside(store, "has the version #{Foreign.term(version)}, and this release reads up to #{@version}")

      _other ->
        set_aside(store, "has content that this release cannot read")
    end
  rescue
    ArgumentError -> set_aside(store, "has content that this release cannot read")
  end

  defp entry?({{kind, id}, plugin}) when kind in [:atom, :string] and is_binary(id) and is_map(plugin),
    do: plugin != %{} and Enum.all?(plugin, &part?/1)

  defp entry?(_other), do: false

  defp part?({:disabled, %{since: since, reason: reason} = disabled}) when map_size(disabled) == 2,
    do: is_integer(since) and (reason == nil or (is_binary(reason) and byte_size(reason) <= @reason))

  defp part?({:loaded, %{source: source, as: as?, config: config, overrides: overrides} = loaded})
       when map_size(loaded) == 4 and is_boolean(as?),
       do: source?(source) and bytes?(config) and bytes?(overrides)

  defp part?({:absent, true}), do: true
  defp part?(_other), do: false

  defp source?({kind, text}), do: kind in [:module, :package] and is_binary(text)
  defp source?(source), do: source == nil

  # What they hold is looked at when the plugin is loaded.
  defp bytes?(bytes), do: bytes == nil or (is_binary(bytes) and not match?(<<131, 80, _::binary>>, bytes))

  defp set_aside(%{path: path} = store, why) do
    with {:ok, aside} <- path |> Disk.set_aside() |> or_error(path) do
      Logger.error(
        "the plugin store #{Foreign.path(path)} #{why}; it was moved to #{Foreign.path(aside)}, and no plugin is " <>
          "disabled by it, nor loaded"
      )

      {:ok, store}
    end
  end

  defp or_error({:error, {step, posix}}, path), do: {:error, %Error{path: path, step: step, reason: posix}}
  defp or_error(result, _path), do: result

  defp key(id) when is_atom(id), do: {:atom, Atom.to_string(id)}
  defp key(id) when is_binary(id), do: {:string, id}
end
