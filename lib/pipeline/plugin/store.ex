defmodule Pipeline.Plugin.Store do
  @moduledoc """
  What outlives the VM: the plugins that an operator has disabled, when and why, in one file.

      {:ok, store, []} = Pipeline.Plugin.Store.open("/var/lib/my_app/plugins")
      {:ok, store} = Pipeline.Plugin.Store.put(store, :blog, "leaks memory")
      %{blog: %{reason: "leaks memory", since: %DateTime{}}} = Pipeline.Plugin.Store.disabled(store)
      {:ok, store} = Pipeline.Plugin.Store.delete(store, :blog)

  A store is a value: it is read once, and every change writes the whole file before it returns. The file is written
  beside its place, synced, moved there in one step, and the directory synced: after a crash it is the old one or the new
  one, whole. Two stores on one path do not harm the file, but the last to write wins: let one process have it.

  A file that cannot be used, because it is torn, changed, of somebody else or of a later version, is logged, set aside
  under the name `path.corrupt-<time>` and never deleted; the store is empty then. What a writer that was killed has
  left beside it, `path.tmp-…`, is no part of the store and is removed once it is a minute old.

  Ids are kept as text with their type. A file makes no atoms: an id whose atom this VM does not know stays as it is, and
  is written back.
  """

  require Logger

  alias Pipeline.Plugin
  alias Pipeline.Plugin.Store.{Disk, Error, Format}

  @enforce_keys [:path]
  defstruct [:path, entries: %{}, aside?: false]

  @opaque t :: %__MODULE__{path: Path.t(), entries: Format.entries(), aside?: boolean}

  @typedoc "Since when a plugin is disabled, and why."
  @type entry :: %{since: DateTime.t(), reason: String.t() | nil}

  @typedoc "What was wrong with a file, and a sentence that says it."
  @type warning ::
          {Format.reason() | {:unreadable, :file.posix()} | {:not_set_aside, :file.posix()}, String.t()}

  @doc """
  Reads the store at a path. One that is not there is empty, and so is one that cannot be used, which is logged.

  Reasons of warnings: `:foreign`, `:truncated`, `:trailing`, `:checksum`, `:malformed`, `{:format, version}` for a
  later one, `{:unreadable, posix}`; `{:not_set_aside, posix}` if the file could not be moved, which the first change then
  tries again.
  """
  @spec open(Path.t()) :: {:ok, t, [warning]}
  def open(path) do
    path = Path.expand(path)
    Disk.remove_leftovers(path)

    case read(path) do
      {:ok, entries} ->
        {:ok, %__MODULE__{path: path, entries: entries}, []}

      {:error, reason} ->
        {aside?, warnings} = unusable(path, reason)
        for {_reason, sentence} <- warnings, do: Logger.error(sentence)
        {:ok, %__MODULE__{path: path, aside?: aside?}, warnings}
    end
  end

  defp read(path) do
    case File.read(path) do
      {:ok, binary} -> Format.decode(binary)
      {:error, :enoent} -> {:ok, %{}}
      {:error, posix} -> {:error, {:unreadable, posix}}
    end
  end

  # A directory is a mistake in the configuration, and no store.
  defp unusable(path, {:unreadable, :eisdir} = reason) do
    {false, [{reason, "the plugin store #{path} is a directory: give it the name of a file"}]}
  end

  defp unusable(path, reason) do
    said = "the plugin store #{path} #{Format.sentence(reason)}"

    case Disk.set_aside(path) do
      {:ok, aside} ->
        {false, [{reason, said <> "; it was moved to #{aside}, and no plugin is disabled by it"}]}

      {:error, posix} ->
        not_moved = "the plugin store #{path} cannot be moved out of the way: #{:file.format_error(posix)}"
        {true, [{reason, said <> ", and no plugin is disabled by it"}, {{:not_set_aside, posix}, not_moved}]}
    end
  end

  @doc """
  The disabled plugins.

  An atom that this VM does not know is `{:unknown_atom, text}`.
  """
  @spec disabled(t) :: %{(Plugin.plugin_id() | {:unknown_atom, String.t()}) => entry}
  def disabled(%__MODULE__{entries: entries}) do
    Map.new(entries, fn {key, {microseconds, reason}} ->
      {id(key), %{since: DateTime.from_unix!(microseconds, :microsecond), reason: reason}}
    end)
  end

  @doc "Whether a plugin is disabled."
  @spec disabled?(t, Plugin.plugin_id()) :: boolean
  def disabled?(%__MODULE__{entries: entries}, id), do: is_map_key(entries, key(id))

  @doc """
  Notes that a plugin is disabled from now on. A reason that is no text is kept as `inspect/1` shows it.

  The store stays as it was after an error.
  """
  @spec put(t, Plugin.plugin_id(), reason :: term) :: {:ok, t} | {:error, Error.t()}
  def put(%__MODULE__{} = store, id, reason \\ nil) do
    entry = {System.system_time(:microsecond), if(reason, do: text(reason))}
    write(store, Map.put(store.entries, key(id), entry))
  end

  @doc "Forgets that a plugin is disabled."
  @spec delete(t, Plugin.plugin_id()) :: {:ok, t} | {:error, Error.t()}
  def delete(%__MODULE__{entries: entries} = store, id) do
    if is_map_key(entries, key(id)), do: write(store, Map.delete(entries, key(id))), else: {:ok, store}
  end

  defp write(%{path: path} = store, entries) do
    with :ok <- make_room(store),
         :ok <- Disk.write(path, Format.encode(entries)) do
      {:ok, %{store | entries: entries, aside?: false}}
    else
      {:error, {step, posix}} -> {:error, %Error{path: path, step: step, reason: posix}}
    end
  end

  # What could not be read must not be overwritten.
  defp make_room(%{aside?: false}), do: :ok

  defp make_room(%{path: path}) do
    # Somebody else may have moved it by now.
    if match?({:error, :enoent}, File.lstat(path)) do
      :ok
    else
      with {:ok, _aside} <- at_aside(Disk.set_aside(path)), do: :ok
    end
  end

  defp at_aside({:ok, aside}), do: {:ok, aside}
  defp at_aside({:error, posix}), do: {:error, {:set_aside, posix}}

  defp key(id) when is_atom(id), do: {:atom, Atom.to_string(id)}
  defp key(id) when is_binary(id), do: {:string, id}

  defp id({:string, text}), do: text

  defp id({:atom, text}) do
    String.to_existing_atom(text)
  rescue
    # The second for one that is too long for an atom.
    _ in [ArgumentError, SystemLimitError] -> {:unknown_atom, text}
  end

  defp text(reason) when is_binary(reason), do: reason
  defp text(reason), do: Pipeline.Foreign.term(reason)
end
