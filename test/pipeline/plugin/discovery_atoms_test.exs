defmodule Pipeline.Plugin.DiscoveryAtomsTest do
  # Alone, because it counts the atoms of the VM.
  use ExUnit.Case, async: false

  alias Pipeline.Plugin.Discovery

  @moduletag :tmp_dir

  @source """
  defmodule DiscoveryAtomsFixture.Plugin do
    use Pipeline.Plugin, id: :discovery_atoms_fixture, hooks: DiscoveryAtomsFixture.Spec
    capability :discovery_atoms_counting, [:discovery_atoms_word, discovery_atoms_key: :discovery_atoms_value]
    depends_on :discovery_atoms_base, version: "~> 1.0", optional: true
    hook :before, :discovery_atoms_point
  end
  """

  @spec_source """
  defmodule DiscoveryAtomsFixture.Spec do
    use Pipeline.Hook.Spec
    hookpoint :discovery_atoms_point
  end
  """

  setup_all do
    directory = Pipeline.Elsewhere.compile!(@spec_source <> @source)
    {:ok, path: Path.join(directory, "Elixir.DiscoveryAtomsFixture.Plugin.beam")}
  end

  test "no file makes an atom, whole or damaged", %{path: path, tmp_dir: tmp_dir} do
    bytes = File.read!(path)
    damaged = Path.join(tmp_dir, "damaged.beam")

    discover_all = fn seed ->
      :rand.seed(:exsss, {seed, 2, 3})
      assert {[%{module: {:unknown_atom, _}}], []} = discover(path)

      for _ <- 1..300 do
        File.write!(damaged, damage(bytes))
        {found, reasons} = discover(damaged)
        assert length(found) + length(reasons) <= 1
        if found == [], do: reasons, else: [:found]
      end
      |> Enum.concat()
      |> MapSet.new()
    end

    # What loads code makes its atoms; so all of it is loaded before they are counted.
    for app <- [:kernel, :stdlib, :elixir, :pipeline_plugin],
        {:ok, modules} = :application.get_key(app, :modules),
        do: Enum.each(modules, &Code.ensure_loaded/1)

    outcomes = discover_all.(1)
    assert :found in outcomes and :truncated in outcomes

    # The one atom that a file can bring about is the reason for refusing it, of which there are 22 or so.
    atoms = :erlang.system_info(:atom_count)
    new_reasons = MapSet.difference(discover_all.(2), outcomes)
    assert :erlang.system_info(:atom_count) - atoms <= MapSet.size(new_reasons)
  end

  # Where no module of the library has been loaded yet, its own atoms are unknown as well.
  test "a VM that has just started reads a manifest", %{path: path} do
    code = """
    {:ok, found} = Pipeline.Plugin.Discovery.discover_plugins([hd(System.argv())])
    IO.inspect((for %{manifest: manifest} <- found, do: {manifest.version, manifest.dependencies}), width: 200)
    """

    library = Application.app_dir(:pipeline_plugin, "ebin")
    {output, 0} = System.cmd("elixir", ["-pa", library, "-e", code, path], stderr_to_stdout: true)

    assert output ==
             ~s([{"1.0.0", [{{:unknown_atom, "discovery_atoms_base"}, [version: "~> 1.0", optional: true]}]}]\n)
  end

  defp discover(path) do
    test = self()
    {:ok, found} = Discovery.discover_plugins([path], on_unreadable: &send(test, {:unreadable, &1.reason}))
    {found, reasons()}
  end

  defp reasons do
    receive do
      {:unreadable, reason} -> [reason | reasons()]
    after
      0 -> []
    end
  end

  defp damage(bytes) do
    if :rand.uniform(2) == 1 do
      binary_part(bytes, 0, :rand.uniform(byte_size(bytes)) - 1)
    else
      Enum.reduce(1..3, bytes, fn _, bytes ->
        at = :rand.uniform(byte_size(bytes)) - 1
        {before, <<_, rest::binary>>} = :erlang.split_binary(bytes, at)
        before <> <<:rand.uniform(256) - 1>> <> rest
      end)
    end
  end
end
