defmodule Mix.Tasks.Pipeline.Gen.Plugin do
  @shortdoc "Generates a plugin and its test"

  @moduledoc """
  Generates a plugin and its test.

      mix pipeline.gen.plugin greeter --type extension
      mix pipeline.gen.plugin my_model --type provider --capability llm --capability streaming
      mix pipeline.gen.plugin squeezer --type extension --native

  The name is in snake or camel case. For `greeter` in the application `my_app` it writes

    * `lib/my_app/plugins/greeter.ex` - the plugin, `MyApp.Plugins.Greeter`
    * `test/my_app/plugins/greeter_test.exs` - its test, with `Pipeline.Plugin.Test`

  and, where the type asks for one, the module that the plugin provides. What is generated compiles and its test passes
  as it stands.

  ## Options

    * `--type` - what the plugin is (required):
      * `provider` - provides a `Pipeline.Provider`, in `greeter/provider.ex`
      * `handler` - provides a `Pipeline.NodeHandler` for nodes of its name, in `greeter/handler.ex`
      * `validator` - provides a `Pipeline.Validator`, in `greeter/validator.ex`
      * `extension` - has a hook on `:execute_node`
    * `--capability` - a capability of the plugin, in snake case; may be given several times
    * `--native` - adds a hook in Rust: a crate in `native/greeter_hooks` and the module that loads it, in
      `greeter/native.ex`. What `mix.exs` needs for it is printed
    * `--force` - overwrites files; without it nothing is written if one of them exists
  """

  use Mix.Task

  alias Pipeline.Options

  @types ["provider", "handler", "validator", "extension"]
  @switches [type: :string, capability: :keep, native: :boolean, force: :boolean]

  @provided %{
    "provider" => {"provider", "Provider"},
    "handler" => {"node_handler", "Handler"},
    "validator" => {"validator", "Validator"}
  }

  @summaries %{
    "provider" => "A provider of generated text.",
    "handler" => "A handler of nodes.",
    "validator" => "Checks nodes before any of them runs.",
    "extension" => "Takes part in the execution of nodes."
  }

  @without_parens [capability: :*, hook: :*, provides: :*, test_plugin: :*]

  # Neither an id nor a capability: as atoms they are values of their own.
  @reserved ["nil", "true", "false"]

  @impl Mix.Task
  def run(args) do
    if Mix.Project.umbrella?() do
      Mix.raise("mix pipeline.gen.plugin runs in an application of the umbrella: cd into one under apps/")
    end

    {name, opts} = parse!(args)
    assigns = assigns(name, opts)
    files = files(assigns)

    unless opts[:force], do: refuse_existing!(files)

    for {template, target} <- files do
      Mix.Generator.copy_template(template_path(template), target, assigns, force: true)
      if Path.extname(target) in [".ex", ".exs"], do: format(target)
    end

    if assigns[:native], do: copy_lock(assigns)
    Mix.shell().info(next_steps(assigns))
  end

  defp parse!(args) do
    {opts, names, invalid} = OptionParser.parse(args, strict: @switches)

    case {invalid, names} do
      {[{option, value} | _], _} -> Mix.raise(invalid_option(option, value))
      {[], [name]} -> {name, opts}
      {[], []} -> Mix.raise("a plugin needs a name: " <> usage())
      {[], [_ | _]} -> Mix.raise("one plugin at a time, got: #{Enum.join(names, " ")}. Write: " <> usage())
    end
  end

  defp usage, do: "mix pipeline.gen.plugin NAME --type #{Enum.join(@types, "|")}"

  defp invalid_option(option, value) do
    switches = for {switch, _} <- @switches, do: "--#{switch}"

    if option in switches do
      if value,
        do: "#{option} takes no value, got: #{value}",
        else: "#{option} needs a value. Write: " <> usage()
    else
      "unknown option #{option}." <>
        Options.did_you_mean(option, switches) <> " Known: #{Enum.join(switches, ", ")}"
    end
  end

  defp assigns(given, opts) do
    {name, alias_name} = name!(given)
    type = type!(opts[:type])
    {type_atom, provided} = Map.get(@provided, type, {nil, nil})
    app = Mix.Project.config()[:app]
    instance = "#{app |> Atom.to_string() |> Macro.camelize()}.Plugins"
    plugin = "#{instance}.#{alias_name}"
    crate = name <> "_hooks"

    [
      app: app,
      name: name,
      type: type,
      type_atom: type_atom,
      plugin: plugin,
      instance: instance,
      provides: provided && "#{plugin}.#{provided}",
      summary: @summaries[type],
      capabilities: capabilities!(type, type_atom, name, Keyword.get_values(opts, :capability)),
      native: opts[:native] && "#{plugin}.Native",
      crate: crate,
      pipeline_term: relative(Path.join(package_path(), "native/pipeline_term"), "native/#{crate}")
    ]
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

  defp type!(nil), do: Mix.raise("a plugin needs a type: " <> usage())
  defp type!(type) when type in @types, do: type

  defp type!(type) do
    Mix.raise(
      "unknown type #{type}." <>
        Options.did_you_mean(type, @types) <> " Known: #{Enum.join(@types, ", ")}"
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

  defp files(assigns) do
    [app: app, name: name, type: type, crate: crate] = Keyword.take(assigns, [:app, :name, :type, :crate])
    folder = "lib/#{app}/plugins"

    [{"plugin.ex", "#{folder}/#{name}.ex"}] ++
      if(assigns[:provides], do: [{"#{type}.ex", "#{folder}/#{name}/#{type}.ex"}], else: []) ++
      [{"plugin_test.exs", "test/#{app}/plugins/#{name}_test.exs"}] ++
      if assigns[:native] do
        [
          {"native.ex", "#{folder}/#{name}/native.ex"},
          {"Cargo.toml", "native/#{crate}/Cargo.toml"},
          {"lib.rs", "native/#{crate}/src/lib.rs"}
        ]
      else
        []
      end
  end

  defp refuse_existing!(files) do
    case for {_, target} <- files, File.exists?(target), do: target do
      [] ->
        :ok

      existing ->
        Mix.raise(
          "these files exist, nothing is written: #{Enum.join(existing, ", ")}. " <>
            "Choose another name, or overwrite them with --force"
        )
    end
  end

  defp template_path(template) do
    Application.app_dir(:pipeline_plugin, "priv/templates/pipeline.gen.plugin/#{template}.eex")
  end

  # Where a line breaks depends on the length of the names in it.
  defp format(file) do
    File.write!(file, Code.format_file!(file, locals_without_parens: @without_parens))
  end

  # The crates of the library in the versions that this package is tested with. Cargo drops what it does not need.
  defp copy_lock(assigns) do
    target = "native/#{assigns[:crate]}/Cargo.lock"
    lock = Path.join(package_path(), "Cargo.lock")

    if File.exists?(lock) and not File.exists?(target) do
      Mix.Generator.copy_file(lock, target)
    end
  end

  # Where the sources of this package lie: a dependency of the project, or the project itself.
  defp package_path, do: Mix.Project.deps_paths()[:pipeline_plugin] || File.cwd!()

  defp relative(path, from) do
    relative(Path.split(Path.expand(path)), Path.split(Path.expand(from)), nil)
  end

  defp relative([part | path], [part | from], _), do: relative(path, from, nil)
  defp relative(path, from, _), do: Path.join(Enum.map(from, fn _ -> ".." end) ++ path)

  defp next_steps(assigns) do
    """

    The plugin is #{assigns[:plugin]}. Next:
    #{if assigns[:native], do: native_steps(assigns)}
      * mix test test/#{assigns[:app]}/plugins/#{assigns[:name]}_test.exs
      * load it when your application starts, in its supervision tree, after what the plugin needs:

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
