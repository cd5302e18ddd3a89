defmodule Pipeline.Package.Modules do
  @moduledoc false
  # Puts modules into the VM and takes them out, all or none.

  alias Pipeline.Package.{Unit, Units}
  alias Pipeline.Plugin.Manager.Upgrade.Code, as: NewCode

  @typedoc "Where another version of a module is."
  @type clash :: {module, owner :: String.t()}

  @doc "Those that the VM does not have, or why they do not go with what it has."
  @spec missing(Unit.t()) :: {:ok, [module]} | {:error, {:module_clash, [clash]}}
  def missing(%Unit{modules: modules}) do
    {missing, clashes} =
      Enum.reduce(modules, {[], []}, fn {module, %{md5: md5}}, {missing, clashes} ->
        case state(module, md5) do
          :same -> {missing, clashes}
          :missing -> {[module | missing], clashes}
          {:other, file} -> {missing, [{module, owner(module, file)} | clashes]}
        end
      end)

    if clashes == [], do: {:ok, missing}, else: {:error, {:module_clash, Enum.sort(clashes)}}
  end

  defp state(module, md5) do
    if :erlang.module_loaded(module) do
      if loaded?(module, md5), do: :same, else: {:other, :code.which(module)}
    else
      # In the code path, and not loaded yet.
      case :code.get_object_code(module) do
        :error ->
          :missing

        {^module, binary, file} ->
          if :code.module_md5(binary) == md5, do: load_from_path(module), else: {:other, file}
      end
    end
  end

  defp load_from_path(module) do
    _ = :code.ensure_loaded(module)
    :same
  end

  defp owner(module, file) do
    case Units.owner(module) do
      nil -> "the host (#{file})"
      unit -> "the package #{unit.label}"
    end
  end

  @doc "Whether the VM has a module in a version."
  @spec loaded?(module, md5 :: binary) :: boolean
  def loaded?(module, md5), do: :erlang.module_loaded(module) and module.module_info(:md5) == md5

  @doc """
  Loads modules of a unit in one step; those that run code when they are loaded come last, one by one.

  Processes that run code of a version before the one that is loaded are in the way, or are killed with `force?`.
  """
  @spec load(Unit.t(), [module], force? :: boolean) ::
          :ok | {:error, {:cannot_load, Path.t(), term} | {:code_in_use, [pid]}}
  def load(%Unit{modules: codes}, modules, force?) do
    with :ok <- make_room(modules, force?),
         {:ok, rest} <-
           load_at_once(for(module <- modules, do: {module, codes[module].file, codes[module].binary})) do
      load_one_by_one(rest)
    end
  end

  defp load_at_once([]), do: {:ok, []}

  defp load_at_once(modules) do
    case :code.atomic_load(modules) do
      :ok ->
        {:ok, []}

      {:error, errors} ->
        {on_load, others} = Enum.split_with(errors, &match?({_, :on_load_not_allowed}, &1))

        case others do
          [] ->
            names = Enum.map(on_load, &elem(&1, 0))
            {later, now} = Enum.split_with(modules, &(elem(&1, 0) in names))
            with {:ok, []} <- load_at_once(now), do: {:ok, later}

          [{module, reason} | _] ->
            {_module, file, _binary} = List.keyfind(modules, module, 0)
            {:error, {:cannot_load, List.to_string(file), reason}}
        end
    end
  end

  defp load_one_by_one(modules) do
    Enum.find_value(modules, :ok, fn {module, file, binary} ->
      # A native library is not replaced while its module is there.
      _ = :code.delete(module)
      _ = :code.soft_purge(module)

      case :code.load_binary(module, file, binary) do
        {:module, ^module} -> nil
        {:error, reason} -> {:error, {:cannot_load, List.to_string(file), reason}}
      end
    end)
  end

  # Two versions of a module can be there at once. Who still runs the one before is not ended for a third.
  defp make_room(modules, true), do: Enum.each(modules, &:code.purge/1)

  defp make_room(modules, false) do
    Enum.find_value(modules, :ok, fn module ->
      unless :code.soft_purge(module), do: {:error, {:code_in_use, NewCode.running_old(module)}}
    end)
  end

  @doc "Takes modules out. Processes that run them stay, with an error, or are killed."
  @spec purge([module], force? :: boolean) :: :ok | {:error, {:code_in_use, [pid]}}
  def purge(modules, force?) do
    pids =
      for module <- modules,
          purge_one(module, force?) == false,
          pid <- NewCode.running_old(module),
          uniq: true,
          do: pid

    if pids == [], do: :ok, else: {:error, {:code_in_use, pids}}
  end

  defp purge_one(module, true) do
    :code.purge(module)
    :code.delete(module)
    :code.purge(module)
    true
  end

  defp purge_one(module, false) do
    _ = :code.soft_purge(module)
    _ = :code.delete(module)
    :code.soft_purge(module)
  end
end
