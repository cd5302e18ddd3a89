defmodule Mix.Tasks.Pipeline.Gen.Plugin do
  @shortdoc "Generates a plugin and its test"

  @moduledoc """
  Generates a plugin and its test, in a package of its own or in the host.

      mix pipeline.gen.plugin greeter --hooks MyApp.Hooks --point admit --kind before
      mix pipeline.gen.plugin greeter --in-host --hooks MyApp.Hooks --point admit --config
      mix pipeline.gen.plugin my_model --type provider --capability llm --capability streaming

  It runs in a project that depends on this library. The name is in snake or camel case.

  By default it writes a Mix project into the folder `greeter`, with the plugin `Greeter`, its test and a README. There
  `mix test` tests the plugin, and `mix pipeline.package` builds the package that a host installs. With `--in-host` it
  writes a plugin of the application instead: for `my_app`

    * `lib/my_app/plugins/greeter.ex` - the plugin, `MyApp.Plugins.Greeter`
    * `test/my_app/plugins/greeter_test.exs` - its test, with `Pipeline.Plugin.Test`

  All files are formatted, compile without warnings, and their tests pass as they stand. If an argument is refused,
  nothing is written.

  ## Where

    * `--project` - a package of its own, the default
    * `--path PATH` - the folder of the package, by default the plugin's name
    * `--in-host` - a plugin of the application

  ## The hook

    * `--hooks SPEC` - the host's `Pipeline.Hook.Spec`. A package depends on the host when it is compiled and
      tested, and does not bring it along
    * `--point POINT` - the hook point, by default the only one of the spec; without a spec `execute_node`
    * `--kind KIND` - the kind of the hook, by default the first that the point takes

  ## What else the plugin has

    * `--config` - a schema of its configuration
    * `--children` - a process of its own, in `greeter/worker.ex`
    * `--native` - a second hook, in Rust: a crate in `native/greeter_hooks` and the module that loads it. In the host,
      what `mix.exs` needs for it is printed
    * `--capability NAME` - a capability, in snake case; may be given several times
    * `--type TYPE` - for hosts that use the host kit, instead of a hook of one's own choice:
      * `provider` - provides a `Pipeline.Provider`, in `greeter/provider.ex`
      * `handler` - provides a `Pipeline.NodeHandler` for nodes of its name, in `greeter/handler.ex`
      * `validator` - provides a `Pipeline.Validator`, in `greeter/validator.ex`
      * `extension` - has a hook, as without `--type`
    * `--force` - overwrites files; without it nothing is written if one of them exists
  """

  use Mix.Task

  alias Mix.Pipeline.{ChosenPoint, Generated}
  alias Pipeline.Options

  @types ["provider", "handler", "validator", "extension"]

  @switches [
    project: :boolean,
    path: :string,
    in_host: :boolean,
    hooks: :string,
    point: :string,
    kind: :string,
    config: :boolean,
    children: :boolean,
    native: :boolean,
    capability: :keep,
    type: :string,
    force: :boolean
  ]

  @usage "mix pipeline.gen.plugin NAME [--in-host] [--hooks SPEC --point POINT --kind KIND]"

  @provided %{
    "provider" => {"provider", "Provider"},
    "handler" => {"node_handler", "Handler"},
    "validator" => {"validator", "Validator"}
  }

  @summaries %{
    "provider" => "A provider of generated text.",
    "handler" => "A handler of nodes.",
    "validator" => "Checks nodes before any of them runs."
  }

  # Neither an id nor a capability: as atoms they are values of their own.
  @reserved ["nil", "true", "false"]

  @impl Mix.Task
  def run(args) do
    Generated.in_application!("mix pipeline.gen.plugin")
    {name, opts} = parse!(args)
    assigns = assigns(name, opts)
    files = files(assigns)
    Generated.refuse_existing!(files, opts[:force] || false)
    Generated.write!(files, assigns)
    if assigns[:native], do: copy_lock(assigns)
    Mix.shell().info(next_steps(assigns))
  end

  defp parse!(args) do
    {opts, names, invalid} = OptionParser.parse(args, strict: @switches)

    case {invalid, names} do
      {[{option, value} | _], _} -> Mix.raise(Generated.invalid_option(option, value, @switches, @usage))
      {[], [name]} -> {name, check!(opts)}
      {[], []} -> Mix.raise("a plugin needs a name: " <> @usage)
      {[], [_ | _]} -> Mix.raise("one plugin at a time, got: #{Enum.join(names, " ")}. Write: " <> @usage)
    end
  end

  defp check!(opts) do
    type = type!(opts[:type] || "extension")
    hook = Enum.find([:hooks, :point, :kind], &opts[&1])

    cond do
      opts[:in_host] && opts[:project] ->
        Mix.raise("--project and --in-host exclude each other: a plugin is a package or a part of the host")

      opts[:in_host] && opts[:path] ->
        Mix.raise("--path is the folder of a package, and --in-host writes none: leave one of them out")

      type != "extension" && hook ->
        Mix.raise("a #{type} has no hook, so it takes no --#{hook}: leave it out, or leave --type out")

      true ->
        Keyword.put(opts, :type, type)
    end
  end

  defp type!(type) when type in @types, do: type

  defp type!(type) do
    Mix.raise(
      "unknown type #{type}." <> Options.did_you_mean(type, @types) <> " Known: #{Enum.join(@types, ", ")}"
    )
  end

  defp assigns(given, opts) do
    {name, camel} = name!(given)
    type = opts[:type]
    {type_atom, provided} = Map.get(@provided, type, {nil, nil})
    app = Mix.Project.config()[:app]
    capabilities = capabilities!(type, type_atom, name, Keyword.get_values(opts, :capability))
    unless opts[:in_host], do: refuse_taken!(name, camel)
    point = if type == "extension" or opts[:native], do: ChosenPoint.choose!(opts)
    if opts[:native], do: refuse_native!(point)

    place = if opts[:in_host], do: in_host(app, name, camel), else: in_project(app, name, camel, opts, point)
    plugin = place[:plugin]
    crate = name <> "_hooks"

    place ++
      [
        name: name,
        type: type,
        type_atom: type_atom,
        provides: provided && "#{plugin}.#{provided}",
        summary: @summaries[type] || summary(point),
        capabilities: capabilities,
        hook: type == "extension" && point,
        point: point,
        function: point && ChosenPoint.function(point),
        context: point && context(point),
        config: opts[:config] || false,
        field: config_field(type, name),
        worker: opts[:children] && "#{plugin}.Worker",
        native: opts[:native] && "#{plugin}.Native",
        native_field: point && native_field(point),
        crate: crate,
        pipeline_term:
          Generated.relative(
            Path.join(library_path(), "native/pipeline_term"),
            Path.join(place[:root], "native/#{crate}")
          )
      ]
  end

  defp in_host(app, name, camel) do
    instance = "#{app |> Atom.to_string() |> Macro.camelize()}.Plugins"

    [
      place: :host,
      root: ".",
      app: app,
      instance: instance,
      plugin: "#{instance}.#{camel}",
      version: inspect("0.1.0"),
      source: "lib/#{app}/plugins/#{name}",
      test: "test/#{app}/plugins/#{name}_test.exs"
    ]
  end

  defp in_project(app, name, camel, opts, point) do
    root = opts[:path] || name

    [
      place: :project,
      root: root,
      app: String.to_atom(name),
      plugin: camel,
      version: "Mix.Project.config()[:version]",
      source: Path.join(root, "lib/#{name}"),
      test: Path.join(root, "test/#{name}_test.exs"),
      library: dependency(library(root)),
      host: point && point.spec && app != :pipeline_plugin && host(app, root)
    ]
  end

  # The project is what the host says of the library, seen from another folder.
  defp library(root) do
    declared = Enum.find(Mix.Project.config()[:deps], &(elem(&1, 0) == :pipeline_plugin))

    case declared do
      {name, requirement} when is_binary(requirement) ->
        {name, requirement}

      {name, requirement, opts} ->
        if opts[:path], do: by_path(root), else: {name, requirement, Keyword.drop(opts, [:only, :runtime])}

      {name, opts} when is_list(opts) ->
        if opts[:path], do: by_path(root), else: {name, Keyword.drop(opts, [:only, :runtime])}

      nil ->
        by_path(root)
    end
  end

  defp by_path(root), do: {:pipeline_plugin, path: Generated.relative(library_path(), root)}

  # As one writes it, without the brackets of the options.
  defp dependency({name, opts}) when is_list(opts), do: "{#{inspect(name)}, #{options(opts)}}"
  defp dependency({name, requirement}), do: inspect({name, requirement})
  defp dependency({name, requirement, []}), do: inspect({name, requirement})

  defp dependency({name, requirement, opts}),
    do: "{#{inspect(name)}, #{inspect(requirement)}, #{options(opts)}}"

  defp options(opts), do: Enum.map_join(opts, ", ", fn {key, value} -> "#{key}: #{inspect(value)}" end)

  # With :host it stays out of the package, with what it needs.
  defp host(app, root) do
    dependency({app, path: Generated.relative(".", root), only: [:dev, :test, :prod, :host], runtime: false})
  end

  defp name!(given) do
    cond do
      given in @reserved ->
        Mix.raise("#{given} cannot be the name of a plugin: choose another")

      given =~ ~r/\A[a-z][a-z0-9]*(_[a-z0-9]+)*\z/ ->
        {given, Macro.camelize(given)}

      given =~ ~r/\A[A-Z][A-Za-z0-9]*\z/ and Macro.underscore(given) not in @reserved ->
        {Macro.underscore(given), given}

      true ->
        Mix.raise(
          "the name of a plugin is in snake or camel case, such as my_plugin or MyPlugin, got: #{given}." <>
            nearest_name(given)
        )
    end
  end

  defp nearest_name(given) do
    words = given |> Macro.underscore() |> String.split(~r/[^a-z0-9]+/, trim: true) |> Enum.join("_")
    if words =~ ~r/\A[a-z]/ and words not in @reserved, do: " Did you mean #{words}?", else: ""
  end

  # A package is an application, and its module stands beside those of the host.
  defp refuse_taken!(name, camel) do
    cond do
      Mix.Project.config()[:app] == String.to_atom(name) or
          :code.lib_dir(String.to_atom(name)) != {:error, :bad_name} ->
        Mix.raise(
          "there is an application #{name} already, so it cannot be the name of a package: choose another"
        )

      Code.ensure_loaded?(Module.concat([camel])) ->
        Mix.raise(
          "there is a module #{camel} already, so #{name} cannot be the name of a package: choose another"
        )

      true ->
        :ok
    end
  end

  # The crate has a hook that can stand before and after.
  defp refuse_native!(%ChosenPoint{kind: kind}) when kind in [:before, :after], do: :ok

  defp refuse_native!(%ChosenPoint{kind: kind, point: point}) do
    Mix.raise(
      "--native writes a before or an after hook, and the hook on #{point} is of the kind #{kind}: " <>
        "choose another with --kind or --point, or leave --native out"
    )
  end

  # Declarations of the type itself come first.
  defp capabilities!(type, type_atom, name, given) do
    own =
      case type do
        "provider" -> [{"tasks", "[:echo]"}]
        "handler" -> [{"node_types", "[:#{name}]"}]
        _ -> []
      end

    for capability <- given, capability in @reserved or not (capability =~ ~r/\A[a-z][a-z0-9_]*\z/) do
      Mix.raise("a capability is in snake case, such as text_generation, got: #{capability}")
    end

    declared = [type_atom | Enum.map(own, &elem(&1, 0))]
    own ++ for capability <- Enum.uniq(given) -- declared, do: {capability, nil}
  end

  defp summary(%ChosenPoint{kind: :listen, point: point}),
    do: "Listens at the hook point `#{inspect(point)}`."

  defp summary(%ChosenPoint{point: point}),
    do: "Takes part in the runs of the hook point `#{inspect(point)}`."

  defp context(%ChosenPoint{keys: []}), do: inspect(%{input: "hi"})
  defp context(%ChosenPoint{keys: keys}), do: inspect(Map.new(keys, &{&1, "hi"}))

  defp native_field(%ChosenPoint{keys: []}), do: :input
  defp native_field(%ChosenPoint{keys: [key | _]}), do: key

  # The provided validator reads its own.
  defp config_field("validator", _name),
    do: {"required", "{:list, :atom}", "[]", "The keys that a node needs."}

  defp config_field(_type, name), do: {"label", ":string", inspect(name), "A text of your choice."}

  defp files(assigns) do
    [root: root, source: source, crate: crate] = for key <- [:root, :source, :crate], do: {key, assigns[key]}
    in_root = fn path -> if root == ".", do: path, else: Path.join(root, path) end

    written = [
      {assigns[:place] == :project,
       [
         {"mix.exs", in_root.("mix.exs")},
         {"formatter.exs", in_root.(".formatter.exs")},
         {"gitignore", in_root.(".gitignore")},
         {"README.md", in_root.("README.md")},
         {"test_helper.exs", in_root.("test/test_helper.exs")}
       ]},
      {true, [{"plugin.ex", source <> ".ex"}, {"plugin_test.exs", assigns[:test]}]},
      {assigns[:provides], [{"#{assigns[:type]}.ex", "#{source}/#{assigns[:type]}.ex"}]},
      {assigns[:worker], [{"worker.ex", source <> "/worker.ex"}]},
      {assigns[:native],
       [
         {"native.ex", source <> "/native.ex"},
         {"Cargo.toml", in_root.("native/#{crate}/Cargo.toml")},
         {"lib.rs", in_root.("native/#{crate}/src/lib.rs")}
       ]}
    ]

    for {wanted, files} <- written, wanted, {template, target} <- files do
      {"pipeline.gen.plugin/" <> template, target}
    end
  end

  # The crates of the library in the versions that this package is tested with. Cargo drops what it does not need.
  defp copy_lock(assigns) do
    target = Path.join(assigns[:root], "native/#{assigns[:crate]}/Cargo.lock")
    lock = Path.join(library_path(), "Cargo.lock")
    if File.exists?(lock) and not File.exists?(target), do: Mix.Generator.copy_file(lock, target)
  end

  # Where the sources of the library lie: a dependency of the project, or the project itself.
  defp library_path, do: Mix.Project.deps_paths()[:pipeline_plugin] || File.cwd!()

  defp next_steps(assigns) do
    if assigns[:place] == :project, do: project_steps(assigns), else: host_steps(assigns)
  end

  defp project_steps(assigns) do
    """

    The plugin is #{assigns[:plugin]}, a package of its own. Next:

        cd #{assigns[:root]}
        mix test
        MIX_ENV=prod mix pipeline.package

    A host installs the file that the last line writes: mix pipeline.install, or Pipeline.Package.install/2.
    """
  end

  defp host_steps(assigns) do
    """

    The plugin is #{assigns[:plugin]}. Next:
    #{if assigns[:native], do: native_steps(assigns)}
      * mix test #{assigns[:test]}
      * load it when your application starts, in its supervision tree, after what the plugin needs
        (mix pipeline.gen.host writes an instance there):

            {Pipeline.Plugin.Manager, name: #{assigns[:instance]}, plugins: [#{assigns[:plugin]}]}

        or at any time: Pipeline.Plugin.Manager.load_plugin(#{assigns[:plugin]}, %{}, instance: #{assigns[:instance]})
    #{unless formatter_knows?(), do: formatter_step()}\
    """
  end

  defp formatter_knows? do
    case File.read(".formatter.exs") do
      {:ok, contents} -> contents =~ ":pipeline_plugin"
      {:error, _} -> false
    end
  end

  defp formatter_step do
    """
      * for mix format to know capability, hook and provides, in .formatter.exs:

            import_deps: [:pipeline_plugin]
    """
  end

  defp native_steps(assigns) do
    project = Mix.Project.config()
    entry = "#{assigns[:crate]}: [path: \"native/#{assigns[:crate]}\", module: #{assigns[:native]}]"

    steps =
      case project[:pipeline_native] do
        nil -> ["pipeline_native: [#{entry}],"]
        _ -> ["# into the list pipeline_native:", entry]
      end

    steps =
      if :pipeline_native in List.wrap(project[:compilers]) do
        steps
      else
        ["compilers: Mix.compilers() ++ [:pipeline_native]," | steps]
      end

    """

      * build the Rust hook with the project, under project/0 of mix.exs:

    #{Enum.map_join(steps, "\n", &("        " <> &1))}

      * keep its build output out of git, in .gitignore:

            /native/*/target/
            /priv/native/
    """
  end
end
