defmodule Pipeline.Packages do
  @moduledoc """
  Builds packages for tests, of sources that another VM compiles.
  """

  alias Pipeline.Package.{Archive, Builder, Platform}

  @doc """
  A folder of an application, as Mix compiles it: `ebin` with its modules and `NAME.app`, `priv` with the files given.

  The sources are compiled by another VM, `compiler:` if it is given, with a source `against:` that is not packed. `properties` are merged into the `.app`.
  """
  @spec app!(atom, String.t(), String.t(), keyword) :: Builder.app()
  def app!(name, version, source, opts \\ []) do
    folder = Path.join(folder!(), Atom.to_string(name))
    ebin = Path.join(folder, "ebin")
    File.mkdir_p!(ebin)

    beams =
      if opts[:compiler],
        do: compile!(opts[:compiler], source, opts[:against]),
        else: source |> Pipeline.Elsewhere.compile!() |> read()

    for {name, bytes} <- beams, do: File.write!(Path.join(ebin, name), bytes)

    properties =
      [
        vsn: String.to_charlist(version),
        description: ~c"a test",
        modules: for({beam, _bytes} <- beams, do: {:module, Path.basename(beam, ".beam")}),
        registered: [],
        applications: [:kernel, :stdlib, :elixir]
      ]
      |> Keyword.merge(opts[:properties] || [])

    File.write!(Path.join(ebin, "#{name}.app"), app_file(name, properties))

    for {path, content} <- opts[:priv] || [] do
      file = Path.join([folder, "priv", path])
      File.mkdir_p!(Path.dirname(file))
      File.write!(file, content)
    end

    %{name: name, version: version, folder: folder}
  end

  @doc "A VM that compiles many sources, quicker than one for each."
  @spec start_compiler!() :: pid
  def start_compiler! do
    paths = for app <- [:pipeline_plugin, :elixir, :logger], do: Application.app_dir(app, "ebin")

    {:ok, peer, _node} =
      :peer.start(%{connection: :standard_io, args: Enum.flat_map(paths, &[~c"-pa", String.to_charlist(&1)])})

    {:ok, _} = :peer.call(peer, :application, :ensure_all_started, [:elixir])
    ExUnit.Callbacks.on_exit(fn -> :peer.stop(peer) end)
    peer
  end

  @doc "The BEAM files of a source, which may need another source that is not among them."
  @spec compile!(pid, String.t(), String.t() | nil) :: [{file :: String.t(), binary}]
  def compile!(peer, source, against \\ nil) do
    others = if against, do: :peer.call(peer, Code, :compile_string, [against], 60_000), else: []
    modules = :peer.call(peer, Code, :compile_string, [source], 60_000)

    for {module, _bytes} <- others ++ modules,
        function <- [:purge, :delete, :purge],
        do: :peer.call(peer, :code, function, [module])

    for {module, bytes} <- modules, do: {"#{module}.beam", bytes}
  end

  defp read(folder) do
    for path <- Path.wildcard(folder <> "/*.beam"), do: {Path.basename(path), File.read!(path)}
  end

  # The atoms of modules are not to be made here.
  defp app_file(name, properties) do
    {modules, properties} = Keyword.pop!(properties, :modules)
    modules = Enum.map_join(modules, ",", fn {:module, module} -> "'#{module}'" end)
    rest = Enum.map_join(properties, ",", fn property -> :io_lib.format("~p", [property]) end)
    "{application,#{name},[{modules,[#{modules}]},#{rest}]}.\n"
  end

  @doc "The archive of an application; `sign:` and `dependencies:` may be given."
  @spec build!(Builder.app(), keyword) :: Builder.built()
  def build!(app, opts \\ []) do
    {:ok, built} =
      Builder.build(app, opts[:dependencies] || [], opts[:requires] || requires(), key: opts[:sign])

    built
  end

  @doc "What each VM of this suite has."
  @spec requires() :: Builder.requires()
  def requires do
    %{elixir: "~> 1.14", otp: Platform.otp(), pipeline_plugin: "~> 0.1"}
  end

  @doc "The archive with its files changed."
  @spec tamper(binary, (map -> map)) :: binary
  def tamper(archive, change) do
    {:ok, entries} = Archive.read(archive, Archive.limits())
    entries |> change.() |> Map.values() |> Archive.write()
  end

  @doc "A folder that is gone after the test."
  @spec folder!() :: Path.t()
  def folder! do
    folder = Path.join(System.tmp_dir!(), "packages_#{System.pid()}_#{System.unique_integer([:positive])}")

    File.mkdir_p!(folder)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(folder) end)
    folder
  end
end
