defmodule Pipeline.Plugin.ConfigFiles do
  @moduledoc false
  # Finds lists of plugins that configuration files have merged without saying so.
  #
  # Elixir merges two lists of pairs with atoms as it merges options. So a plugin that config.exs names as `{A, %{}}` stays,
  # though runtime.exs names others. The merged list does not show that, so the files are read, not run: those of the
  # Mix project, or in a release what it was built with and its runtime.exs.

  require Logger

  @typedoc "A file, and the plugins that it names in a list of pairs."
  @type named :: {Path.t(), [module]}

  @doc "Warns if the plugins that the application is configured with come from several files, and the last does not name all."
  @spec warn(term) :: :ok
  def warn(plugins) do
    if pairs?(plugins) and plugins != [] do
      with sentence when sentence != nil <- sentence(plugins, files()), do: Logger.warning(sentence)
    end

    :ok
  end

  @doc "The sentence to warn with, `nil` if nothing is merged."
  @spec sentence([{module, term}], [Path.t()]) :: String.t() | nil
  def sentence(plugins, files) do
    loaded = Keyword.keys(plugins)

    # A file that names others has them in a branch that was not taken.
    counting = for file <- files, {:ok, names} <- [names(file)], names -- loaded == [], do: {file, names}

    with [{last, names} | [_ | _] = earlier] <- Enum.reverse(counting),
         kept =
           for({file, more} <- Enum.reverse(earlier), rest = more -- names, rest != [], do: {file, rest}),
         [_ | _] <- kept do
      "config :pipeline_plugin, plugins: is merged from several files: " <>
        Enum.map_join(kept, "; ", fn {file, rest} -> "#{Enum.map_join(rest, ", ", &inspect/1)} of #{file}" end) <>
        " stays, though #{last} does not name it. Name all plugins in one file, or give a function, such as " <>
        "plugins: &MyApp.Plugins.list/0"
    else
      _ -> nil
    end
  end

  defp files do
    cond do
      release = release() -> [Path.join(release, "sys.config"), Path.join(release, "runtime.exs")]
      :erlang.module_loaded(Mix) and Mix.Project.get() != nil -> project()
      true -> []
    end
  end

  defp release do
    with root when root != nil <- System.get_env("RELEASE_ROOT"),
         version when version != nil <- System.get_env("RELEASE_VSN"),
         do: Path.join([root, "releases", version])
  end

  defp project do
    config = Mix.Project.config()[:config_path]
    directory = Path.dirname(config)
    [config, Path.join(directory, "#{Mix.env()}.exs"), Path.join(directory, "runtime.exs")]
  end

  # The list that counts in the end.
  defp names(file) do
    if Path.extname(file) == ".config", do: built(file), else: written(file)
  end

  defp built(file) do
    with {:ok, [applications]} <- :file.consult(file),
         {:pipeline_plugin, options} <- List.keyfind(applications, :pipeline_plugin, 0),
         {:ok, plugins} <- Keyword.fetch(options, :plugins),
         true <- pairs?(plugins),
         do: {:ok, Keyword.keys(plugins)},
         else: (_ -> :none)
  end

  defp written(file) do
    with {:ok, text} <- File.read(file), {:ok, quoted} <- Code.string_to_quoted(text) do
      # An empty list says nothing of whether its branch was taken.
      case always(quoted) ++ Enum.reject(anywhere(quoted), &(&1 == [])) do
        [] -> :none
        lists -> {:ok, lists |> Enum.concat() |> Enum.uniq()}
      end
    else
      _ -> :none
    end
  end

  defp always({:__block__, _, expressions}), do: Enum.flat_map(expressions, &lists/1)
  defp always(expression), do: lists(expression)

  defp anywhere(quoted) do
    {_quoted, found} = Macro.prewalk(quoted, [], fn node, found -> {node, lists(node) ++ found} end)
    found
  end

  defp lists({:config, _, [:pipeline_plugin, :plugins, list]}), do: literal(list)

  defp lists({:config, _, [:pipeline_plugin, options]}) when is_list(options) do
    case List.keyfind(options, :plugins, 0) do
      {:plugins, list} -> literal(list)
      _ -> []
    end
  end

  defp lists(_node), do: []

  defp literal(list) when is_list(list) do
    names = for {name, _config} <- list, module = module(name), do: module
    if length(names) == length(list), do: [names], else: []
  end

  defp literal(_computed), do: []

  defp module({:__aliases__, _, parts}), do: if(Enum.all?(parts, &is_atom/1), do: Module.concat(parts))
  defp module(name) when is_atom(name), do: name
  defp module(_other), do: nil

  defp pairs?(plugins), do: is_list(plugins) and Keyword.keyword?(plugins)
end
