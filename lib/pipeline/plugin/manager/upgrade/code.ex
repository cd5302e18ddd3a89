defmodule Pipeline.Plugin.Manager.Upgrade.Code do
  @moduledoc false
  # The code of the version to be: a module that is there already, or what stands in a BEAM file, which is loaded in place
  # of the old one and taken back when the upgrade fails.

  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Error, Packages}
  alias Pipeline.Plugin.Manager.CodeUsers

  @enforce_keys [:module, :id]
  defstruct [:module, :id, :file, :binary, :old, :change, in_place?: false]

  @type t :: %__MODULE__{
          module: module,
          id: Plugin.plugin_id(),
          # Of code that has to be loaded.
          file: charlist | nil,
          binary: binary | nil,
          # What to go back to, of a module that is loaded.
          old: {file :: charlist, binary} | nil,
          # Of a package, whose modules change together.
          change: Packages.change() | nil,
          # Whether a module of the name is loaded.
          in_place?: boolean
        }

  @typedoc "Whether there has to be a way back, or the one where there is no file."
  @type rollback :: boolean | {file :: charlist, binary}

  @typedoc "A module that is replaced, as it was: by its MD5, and what to load, where that is known. `nil` if none is."
  @type way_back ::
          %{module: module, md5: binary, old: {file :: charlist, binary} | nil}
          | %{change: Packages.change()}
          | nil

  @doc """
  Takes a module out of the VM. Nobody that runs it is ended: first what is old already goes, then what becomes old.

  Native code stays, but for that of `Pipeline.Native.Library`. A function on a dirty scheduler goes on after its process
  was killed and its module purged; if it then makes a resource, whose type the VM has freed with the module, it corrupts
  memory. That library keeps its types.
  """
  @spec purge(module) :: :ok | {:error, {:code_in_use, [pid]} | {:native_code, module}}
  def purge(module) do
    with :ok <- native(module),
         true <- :code.soft_purge(module),
         true <- :code.delete(module),
         true <- :code.soft_purge(module) do
      :ok
    else
      {:error, reason} -> {:error, reason}
      false -> {:error, {:code_in_use, running_old(module)}}
    end
  end

  defp native(module) do
    if module.module_info(:nifs) == [] or function_exported?(module, :__load_native__, 0),
      do: :ok,
      else: {:error, {:native_code, module}}
  end

  @doc "Looks at the new code, for these plugins with the module; loads nothing that stands in a file."
  @spec read(module | binary, module, rollback, [CodeUsers.user()]) :: {:ok, t} | {:error, Error.t()}
  def read(target, current, rollback, users) do
    with {:ok, code} <- find(target, current, users), do: find_way_back(code, rollback)
  end

  defp find(module, module, _users), do: read_file(:code.which(module), module)
  defp find(module, _current, _users) when is_atom(module), do: read_module(module)
  defp find(<<"FOR1", _::binary>> = binary, current, _users), do: read_binary(binary, ~c"upgraded", current)

  defp find(path, current, users) when is_binary(path) do
    case Packages.implementation().change(path, current, users) do
      {:ok, change} ->
        {:ok, %__MODULE__{module: change.module, id: change.id, change: change, in_place?: true}}

      :none ->
        read_file(String.to_charlist(path), current)

      {:error, error} ->
        {:error, error}
    end
  end

  defp read_module(module) do
    with {:module, ^module} <- Code.ensure_loaded(module),
         true <- function_exported?(module, :__plugin__, 0),
         %{id: id} <- module.__plugin__() do
      {:ok, %__MODULE__{module: module, id: id}}
    else
      {:error, _} -> error(module, :module_not_found)
      _ -> error(module, :not_a_plugin)
    end
  rescue
    raised ->
      error(module, {:invalid_manifest, "its __plugin__/0 raised: #{Pipeline.Foreign.message(raised)}"})
  end

  defp read_file(path, current) when is_list(path) and path != [] do
    case File.read(path) do
      {:ok, binary} -> read_binary(binary, path, current)
      {:error, reason} -> error(current, {:cannot_load, List.to_string(path), reason})
    end
  end

  # `:non_existing`, `:cover_compiled`, or the empty path of a module that was never in a file.
  defp read_file(_nowhere, current), do: error(current, {:no_file, current})

  defp read_binary(binary, path, current) do
    case :beam_lib.chunks(binary, [:attributes]) do
      {:ok, {module, [attributes: attributes]}} ->
        case attributes[:pipeline_plugin] do
          [%{id: id}] ->
            {:ok, %__MODULE__{module: module, id: id, file: path, binary: binary}}

          _ ->
            error(module, :not_a_plugin)
        end

      {:error, :beam_lib, reason} ->
        error(current, {:cannot_load, List.to_string(path), elem(reason, 0)})
    end
  end

  # A module that replaces another of its name has to be able to leave again, and the file may be the new one by now.
  defp find_way_back(%__MODULE__{binary: nil} = code, _rollback), do: {:ok, code}

  defp find_way_back(%__MODULE__{module: module} = code, rollback) do
    with true <- :erlang.module_loaded(module),
         {^module, binary, file} <- object_code(module, rollback),
         true <- :code.module_md5(binary) == module.module_info(:md5) do
      {:ok, %{code | old: {file, binary}, in_place?: true}}
    else
      _ ->
        in_place? = :erlang.module_loaded(module)

        if in_place? and rollback != false,
          do: error(module, {:no_way_back, module}),
          else: {:ok, %{code | in_place?: in_place?}}
    end
  end

  defp object_code(module, {file, binary}), do: {module, binary, file}
  defp object_code(module, _rollback), do: :code.get_object_code(module)

  @doc "Runs `swap` with the new code in place, and takes the code back if it fails."
  @spec load(t, (() -> {:ok, result} | {:error, reason})) ::
          {:ok, result} | {:error, reason | {:stays, reason} | {:code_in_use, [pid]} | Error.t()}
        when result: term, reason: term
  def load(%__MODULE__{change: change}, swap) when change != nil do
    with :ok <- Packages.implementation().apply_change(change) do
      case swap.() do
        {:ok, result} ->
          Packages.implementation().settle_change(change)
          {:ok, result}

        {:error, reason} ->
          with :ok <- Packages.implementation().undo_change(change),
               do: {:error, reason},
               else: (_ -> {:error, {:stays, reason}})
      end
    end
  end

  def load(%__MODULE__{binary: nil}, swap), do: swap.()

  def load(%__MODULE__{module: module} = code, swap) do
    with :ok <- make_room(module), :ok <- put(module, code.file, code.binary) do
      case swap.() do
        {:ok, result} ->
          {:ok, result}

        {:error, reason} ->
          # Not `:ok` where the new code stays.
          with :ok <- take_back(code), do: {:error, reason}, else: (_ -> {:error, {:stays, reason}})
      end
    end
  end

  # Two versions of a module can be there at once. Who still runs the one before is not ended for a third.
  defp make_room(module) do
    if :code.soft_purge(module), do: :ok, else: {:error, {:code_in_use, running_old(module)}}
  end

  @doc "How to get back from new code, before it is loaded."
  @spec way_back(t) :: way_back
  def way_back(%__MODULE__{in_place?: false}), do: nil
  def way_back(%__MODULE__{change: change}) when change != nil, do: %{change: change}

  def way_back(%__MODULE__{module: module, old: old}) do
    %{module: module, md5: module.module_info(:md5), old: old}
  end

  @doc "Goes back, if new code has been loaded by somebody who has ended."
  @spec restore(way_back) :: :ok | {:error, {:code_in_use, [pid]} | Error.t()}
  def restore(nil), do: :ok
  def restore(%{change: change}), do: Packages.implementation().undo_change(change)

  def restore(%{module: module, md5: md5, old: old}) do
    # What the code server was asked for it does, whoever asked; it answers after that.
    _ = :code.get_path()

    cond do
      :erlang.module_loaded(module) and module.module_info(:md5) == md5 -> :ok
      old == nil -> error(module, {:no_way_back, module})
      true -> put_back(module, old)
    end
  end

  defp put_back(module, {file, binary}), do: with(:ok <- make_room(module), do: put(module, file, binary))

  @doc "The processes that run old code of a module."
  @spec running_old(module) :: [pid]
  def running_old(module), do: for(pid <- Process.list(), :erlang.check_process_code(pid, module), do: pid)

  defp put(module, file, binary) do
    case :code.load_binary(module, file, binary) do
      {:module, ^module} -> :ok
      {:error, reason} -> error(module, {:cannot_load, List.to_string(file), reason})
    end
  end

  defp take_back(%__MODULE__{old: nil, in_place?: true}), do: :no_way_back

  defp take_back(%__MODULE__{module: module, old: nil}) do
    :code.delete(module)
    :code.soft_purge(module)
    :ok
  end

  defp take_back(%__MODULE__{module: module, old: old}), do: put_back(module, old)

  defp error(module, reason), do: {:error, %Error{module: module, step: :code, reason: reason}}
end
