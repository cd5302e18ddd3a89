defmodule Mix.Tasks.Pipeline.Package do
  @shortdoc "Builds the package of a plugin"

  @moduledoc """
  Builds the package of a plugin, in the plugin's own Mix project.

      MIX_ENV=prod mix pipeline.package
      MIX_ENV=prod mix pipeline.package --sign release.key
      mix pipeline.package --verify greeter-1.0.0.plugin.tar.gz --trust release.key.pub
      mix pipeline.package --new-key release.key

  It compiles the project and writes `NAME-VERSION.plugin.tar.gz`: the project's modules and `priv`, native libraries for
  this platform among them, and its private dependencies. The same input gives the same bytes. A host installs the file
  with `mix pipeline.install` or `Pipeline.Package.install/2`.

  ## Dependencies

  A package brings the dependencies that the project's application needs when it runs, and theirs. The host has these
  already, and they stay out:

    * this library
    * a dependency with `:host` in its option `only:`, such as `{:jason, "~> 1.4", only: [:dev, :test, :prod, :host]}`
    * the applications that `mix.exs` lists:

          def project do
            [pipeline_package: [host: [:jason]], ...]
          end

    * and what they need in turn

  ## Options

    * `--output PATH` - the file or the folder to write to, by default the current folder
    * `--sign KEY` - signs with the private key in the file `KEY`
    * `--verify FILE` - checks the hashes and the signature of a package instead of building one
    * `--trust KEY` - with `--verify`, a public key, or a file with one, that must have signed. May be given several times
    * `--new-key PATH` - writes a new private key to `PATH`, for you alone to read, and the public one to `PATH.pub`

  In `mix.exs`, `pipeline_package: [plugin: MyPlugin]` names the plugin where the project has several.
  """

  use Mix.Task

  alias Pipeline.Options
  alias Pipeline.Package
  alias Pipeline.Package.{Builder, Platform, Signature}

  @switches [output: :string, sign: :string, verify: :string, trust: :keep, new_key: :string]

  @impl Mix.Task
  def run(args) do
    {opts, rest, invalid} = OptionParser.parse(args, strict: @switches)

    case {invalid, rest} do
      {[{option, _} | _], _} -> Mix.raise(unknown(option))
      {[], [argument | _]} -> Mix.raise("mix pipeline.package takes options only, got: #{argument}")
      {[], []} -> run_one(opts)
    end
  end

  defp run_one(opts) do
    cond do
      path = opts[:new_key] -> new_key(path)
      file = opts[:verify] -> verify(file, Keyword.get_values(opts, :trust))
      true -> build(opts)
    end
  end

  defp unknown(option) do
    known = for {switch, _} <- @switches, do: "--" <> String.replace("#{switch}", "_", "-")
    "unknown option or missing value: #{option}." <> Options.did_you_mean(option, known)
  end

  defp new_key(path) do
    for file <- [path, path <> ".pub"], File.exists?(file) do
      Mix.raise("#{file} exists, and a key is not overwritten; give another path")
    end

    {public, private} = Signature.new_keys()
    # Nobody else can read it from its first byte on.
    File.touch!(path)
    File.chmod!(path, 0o600)
    File.write!(path, private <> "\n")
    File.write!(path <> ".pub", public <> "\n")

    Mix.shell().info(
      "The private key is in #{path}: keep it secret. Hosts trust #{public}, which is in #{path}.pub"
    )
  end

  defp verify(file, trust) do
    trust = if trust != [], do: Enum.map(trust, &public_key!/1)

    case Package.verify(file, trust: trust) do
      {:ok, info} ->
        signed = if info.signed_by, do: "signed by #{info.signed_by}", else: "not signed"
        Mix.shell().info("#{info.name} #{info.version} is whole, and #{signed}")

      {:error, error} ->
        Mix.raise(Exception.message(error))
    end
  end

  @doc false
  # A public key, or the file that has it.
  @spec public_key!(String.t()) :: Signature.public_key()
  def public_key!(key) do
    with :error <- Signature.public_key(key),
         {:ok, text} <- File.read(key),
         {:ok, key} <- Signature.public_key(text) do
      key
    else
      {:ok, key} -> key
      _ -> Mix.raise("#{key} is neither a public key, ed25519:…, nor a file with one")
    end
  end

  defp build(opts) do
    Mix.Task.run("compile")
    config = Mix.Project.config()
    settings = settings!(config[:pipeline_package] || [])
    project = app(config[:app], Mix.Project.app_path())
    dependencies = private(config, settings)
    key = if file = opts[:sign], do: private_key!(file)

    for %{name: name, version: version} <- dependencies,
        do: Mix.shell().info("with the private dependency #{name} #{version}")

    case Builder.build(project, dependencies, requires(config), module: settings[:plugin], key: key) do
      {:ok, built} -> write(built, opts)
      {:error, sentence} -> Mix.raise("could not build the package of #{config[:app]}: #{sentence}")
    end
  end

  defp settings!(settings) do
    case Options.check(settings, [:host, :plugin], "pipeline_package in mix.exs") do
      :ok -> settings
      {:error, message} -> Mix.raise(message)
    end
  end

  defp private_key!(file) do
    case File.read(file) do
      {:ok, key} -> key
      {:error, posix} -> Mix.raise("could not read the key #{file}: #{:file.format_error(posix)}")
    end
  end

  defp app(name, folder) do
    {:ok, [{:application, ^name, properties}]} = :file.consult(Path.join(folder, "ebin/#{name}.app"))
    needs = (properties[:applications] || []) ++ (properties[:included_applications] || [])
    %{name: name, version: List.to_string(properties[:vsn]), folder: folder, needs: needs}
  end

  # What the project needs when it runs, without what the host has.
  defp private(config, settings) do
    folders = folders()
    only_host = for {name, opts} <- options(config[:deps] || []), :host in List.wrap(opts[:only]), do: name
    host = needed([:pipeline_plugin | only_host] ++ (settings[:host] || []), folders, %{})

    app(config[:app], Mix.Project.app_path()).needs
    |> needed(folders, host)
    |> Map.drop(Map.keys(host))
    |> Map.values()
    |> Enum.sort_by(& &1.name)
  end

  defp options(deps) do
    Enum.map(deps, fn
      {name, opts} when is_list(opts) -> {name, opts}
      {name, _requirement, opts} -> {name, opts}
      {name, _requirement} -> {name, []}
    end)
  end

  defp folders do
    for {name, _path} <- Mix.Project.deps_paths(), into: %{} do
      {name, Path.join([Mix.Project.build_path(), "lib", Atom.to_string(name)])}
    end
  end

  # Applications of Erlang and Elixir are no dependencies of the project.
  defp needed(names, folders, known) do
    Enum.reduce(names, known, fn name, known ->
      if is_map_key(known, name) or not is_map_key(folders, name) do
        known
      else
        app = app(name, folders[name])
        needed(app.needs, folders, Map.put(known, name, app))
      end
    end)
  end

  defp requires(config) do
    %Version{major: major, minor: minor} = Version.parse!(System.version())
    library = Version.parse!(Platform.library())

    %{
      elixir: at_least(config[:elixir], "#{major}.#{minor}.0"),
      otp: Platform.otp(),
      pipeline_plugin: "~> #{library.major}.#{library.minor}"
    }
  end

  # Code of a newer Elixir may call what an older one does not have.
  defp at_least(nil, version), do: ">= #{version}"

  defp at_least(requirement, version) do
    requirement |> String.split(" or ") |> Enum.map_join(" or ", &"#{&1} and >= #{version}")
  end

  defp write(%{file: file, bytes: bytes, manifest: manifest}, opts) do
    output = opts[:output] || "."
    path = if File.dir?(output), do: Path.join(output, file), else: output
    File.write!(path, bytes)
    platform = if manifest.platforms == [], do: "every platform", else: Enum.join(manifest.platforms, ", ")
    modules = map_size(manifest.modules)

    Mix.shell().info(
      "#{Path.relative_to_cwd(path)}: #{byte_size(bytes)} bytes, #{modules} modules, for #{platform}"
    )
  end
end
