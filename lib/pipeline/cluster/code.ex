defmodule Pipeline.Cluster.Code do
  @moduledoc false
  # Object code on its way from node to node. A node that has the module already has to have the same: nothing is
  # replaced here.
  #
  # Of a plugin from a package it is the archive of that, with all its modules and files. Each node installs it in the
  # folder of its instance, which refuses what does not fit the node.

  alias Pipeline.Plugin.{Error, Packages}
  alias Pipeline.Plugin.Manager.Upgrade

  @enforce_keys [:module, :file, :binary, :md5]
  defstruct [:module, :file, :binary, :md5]

  @type t :: %__MODULE__{module: module, file: charlist, binary: binary, md5: binary}

  # An archive is compressed, and a BEAM file here is not.
  defguardp archive?(binary) when binary_part(binary, 0, 2) == <<31, 139>>

  @doc "The code of modules of this node; `known` is what was shipped here, and stands in no file."
  @spec read([module], [t]) :: {:ok, [t]} | {:error, Error.t()}
  def read(modules, known) do
    Enum.reduce_while(modules, {:ok, []}, fn module, {:ok, read} ->
      case read_one(module, known) do
        {:ok, code} -> {:cont, {:ok, [code | read]}}
        {:error, reason} -> {:halt, error(module, reason)}
      end
    end)
    |> case do
      {:ok, read} -> {:ok, Enum.reverse(read)}
      error -> error
    end
  end

  defp read_one(module, known) do
    with {:loaded, {:module, ^module}} <- {:loaded, Elixir.Code.ensure_loaded(module)},
         :none <- packed(module),
         nil <- Enum.find(known, &(&1.module == module and runs?(&1))),
         {^module, binary, file} <- :code.get_object_code(module),
         code = new(module, file, binary),
         true <- runs?(code) do
      {:ok, code}
    else
      {:loaded, _} -> {:error, :module_not_found}
      {:ok, %__MODULE__{} = code} -> {:ok, code}
      {:error, error} -> {:error, error}
      %__MODULE__{} = code -> {:ok, code}
      :error -> {:error, {:no_object_code, module}}
      false -> {:error, {:code_changed, module}}
    end
  end

  defp packed(what) do
    with {:ok, %{name: name, archive: archive, module: module, md5: md5}} <-
           Packages.implementation().pack(what),
         do: {:ok, %__MODULE__{module: module, file: String.to_charlist(name), binary: archive, md5: md5}}
  end

  @doc "Code that stands in a BEAM file."
  @spec new(module, charlist, binary) :: t
  def new(module, file, binary) do
    %__MODULE__{module: module, file: file, binary: binary, md5: :code.module_md5(binary)}
  end

  @doc "Whether it is what this node runs."
  @spec runs?(t) :: boolean
  def runs?(%__MODULE__{module: module, md5: md5}) do
    :erlang.module_loaded(module) and module.module_info(:md5) == md5
  end

  @doc """
  Loads what this node does not have, all or nothing, and returns the modules that were loaded.

  A module in `over` replaces a loaded module of its name.
  """
  @spec install([t], instance :: term, over :: [module]) :: {:ok, shipped :: [module]} | {:error, Error.t()}
  def install(code, instance, over \\ []) do
    Enum.reduce_while(code, {:ok, []}, fn code, {:ok, shipped} ->
      case install_one(code, instance, over) do
        :there ->
          {:cont, {:ok, shipped}}

        :ok ->
          {:cont, {:ok, [code.module | shipped]}}

        {:error, reason} ->
          remove(shipped)
          {:halt, error(code.module, reason)}
      end
    end)
  end

  defp install_one(%__MODULE__{module: module} = code, instance, over) do
    # A module in the code path may not be loaded yet.
    there? = match?({:module, ^module}, Elixir.Code.ensure_loaded(module))

    cond do
      there? and runs?(code) -> :there
      there? and module not in over -> {:error, {:other_code, module}}
      true -> put(code, instance)
    end
  end

  defp put(%__MODULE__{binary: archive}, instance) when archive?(archive) do
    folder = Packages.folder(instance)

    with {:ok, path} <- Packages.implementation().unpack(archive, folder),
         {:ok, _modules, _undo} <- Packages.implementation().modules([{path, %{}}], folder),
         do: :ok
  end

  defp put(%__MODULE__{module: module, file: file, binary: binary}, _instance) do
    # Loading a second version would end processes that still run the removed one.
    with {:purged, true} <- {:purged, :code.soft_purge(module)},
         {:module, ^module} <- :code.load_binary(module, file, binary) do
      :ok
    else
      {:purged, false} -> {:error, {:code_in_use, Upgrade.Code.running_old(module)}}
      {:error, reason} -> {:error, {:cannot_load, List.to_string(file), reason}}
    end
  end

  @doc """
  Takes modules out that were shipped; what stands in a file of the name comes back.

  Processes that still run their code are not ended, and keep it.
  """
  @spec remove([module]) :: :ok
  def remove(modules) do
    for module <- modules,
        Packages.implementation().purge(module, false) == :none,
        :code.soft_purge(module) do
      case :code.get_object_code(module) do
        {^module, binary, file} -> :code.load_binary(module, file, binary)
        :error -> :code.delete(module)
      end

      :code.soft_purge(module)
    end

    :ok
  end

  @doc "Whether it is what this node has in a file too."
  @spec in_file?(t) :: boolean
  # A package that is upgraded to was installed.
  def in_file?(%__MODULE__{binary: archive}) when archive?(archive), do: true

  def in_file?(%__MODULE__{module: module, md5: md5}) do
    case :code.get_object_code(module) do
      {^module, binary, _file} -> :code.module_md5(binary) == md5
      :error -> false
    end
  end

  @doc "The code of an upgrade's target: a module, the path of a BEAM file, or the bytes of one."
  @spec target(Upgrade.target(), current :: module, [t]) :: {:ok, t} | {:error, Error.t()}
  def target(target, current, _known) when is_binary(target) do
    with :none <- packed(target),
         {:ok, file, binary} <- bytes(target),
         {:ok, {module, _}} <- :beam_lib.chunks(binary, [:attributes]) do
      {:ok, new(module, file, binary)}
    else
      {:ok, %__MODULE__{} = code} -> {:ok, code}
      {:error, %Error{} = error} -> {:error, error}
      {:error, :beam_lib, reason} -> error(current, {:cannot_load, "the new version", elem(reason, 0)})
      {:error, reason} -> error(current, {:cannot_load, target, reason})
    end
  end

  # The same module: as its file is by now.
  def target(module, module, known) do
    case :code.get_object_code(module) do
      {^module, binary, file} -> {:ok, new(module, file, binary)}
      :error -> with {:ok, [code]} <- read([module], known), do: {:ok, code}
    end
  end

  def target(module, _current, known) do
    with {:ok, [code]} <- read([module], known), do: {:ok, code}
  end

  @doc "What `Pipeline.Plugin.Manager.upgrade_plugin/3` takes on this node: bytes, or where the package is now."
  @spec to_upgrade(t, instance :: term) :: {:ok, binary} | {:error, Error.t()}
  def to_upgrade(%__MODULE__{binary: archive}, instance) when archive?(archive),
    do: Packages.implementation().unpack(archive, Packages.folder(instance))

  def to_upgrade(%__MODULE__{binary: binary}, _instance), do: {:ok, binary}

  @doc "The way back, if an upgrade fails, to a version that runs and may stand in no file."
  @spec rollback(runs :: t | nil, to :: t) :: keyword
  def rollback(%__MODULE__{binary: archive}, _to) when archive?(archive), do: []

  def rollback(%__MODULE__{module: module} = runs, %__MODULE__{module: module}),
    do: [rollback: {runs.file, runs.binary}]

  def rollback(_runs, _to), do: []

  defp bytes(<<"FOR1", _::binary>> = binary), do: {:ok, ~c"upgraded", binary}

  defp bytes(path) do
    with {:ok, binary} <- File.read(path), do: {:ok, String.to_charlist(path), binary}
  end

  defp error(_module, %Error{} = error), do: {:error, error}

  defp error(module, reason) do
    {:error, %Error{module: module, step: :code, reason: reason, detail: detail(reason)}}
  end

  defp detail({:no_object_code, module}) do
    "#{inspect(module)} stands in no file of the code path, so it cannot be sent to other nodes; compile it into one"
  end

  defp detail({:code_changed, module}) do
    "the file of #{inspect(module)} is not what runs; load it first, or upgrade to it"
  end

  defp detail({:other_code, module}) do
    "there is another #{inspect(module)}, which is not replaced; deploy the same version on all nodes, or upgrade it " <>
      "with nodes: :all"
  end

  defp detail({:cannot_load, path, reason}) do
    "#{path} does not load: #{Pipeline.Foreign.term(reason)}; compile it for the OTP version of all nodes"
  end

  defp detail({:code_in_use, pids}) do
    "#{length(pids)} processes still run code of it that was removed: #{inspect(pids, limit: 5)}; try again when they are done"
  end

  defp detail(_reason), do: nil
end
