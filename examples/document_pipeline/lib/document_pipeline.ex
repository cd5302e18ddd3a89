defmodule DocumentPipeline do
  @moduledoc """
  Runs a document through a pipeline whose every step comes from a plugin.

  The host knows the nodes and their order. What executes, redacts, summarises, validates and measures them is found in
  BEAM files at run time.
  """

  alias Pipeline.Plugin.{Discovery, Manager}

  @doc "The nodes of the pipeline: split, redact, tidy, summarise, count tokens."
  @spec nodes() :: [map]
  def nodes do
    [
      %{id: :split, type: :split},
      %{id: :redact, type: :redact, needs: [:split]},
      %{id: :tidy, type: :transform, needs: [:redact], config: %{fun: &tidy/1}},
      %{id: :summary, type: :summarise, needs: [:tidy], config: %{sentences: 3}},
      %{id: :tokens, type: :count_tokens, needs: [:tidy, :summary]}
    ]
  end

  @doc """
  Finds the plugins: those compiled into `plugins/` and those that the library bundles.

  `late` are the ids of plugins that are to wait; they are returned apart.
  """
  @spec discover(keyword) :: {wanted :: [Discovery.found()], late :: [Discovery.found()]}
  def discover(opts \\ []) do
    late = Keyword.get(opts, :late, [])
    {:ok, found} = Discovery.discover_plugins([plugin_dir(), Application.app_dir(:pipeline_plugin, "ebin")])
    Enum.split_with(found, &(plugin_name(&1) not in late))
  end

  @doc "Loads the code of found plugins and then the plugins, in the order that their dependencies ask for."
  @spec load([Discovery.found()], atom) :: {:ok, [term]} | {:error, term}
  def load(found, instance) do
    with {:ok, modules} <- Discovery.load_code(found), do: Manager.load_plugins(modules, instance: instance)
  end

  @doc "Runs a text through the pipeline."
  @spec run(String.t(), atom) :: {:ok, Pipeline.Runner.run()} | {:error, Pipeline.Runner.Error.t()}
  def run(text, instance), do: Pipeline.Runner.run(nodes(), text, instance: instance)

  @doc "Where the plugins of this project are compiled to, apart from its own modules."
  @spec plugin_dir() :: Path.t()
  def plugin_dir, do: Path.join(Mix.Project.build_path(), "plugins")

  # The atom of an id is known to the VM once the plugin's code is loaded.
  defp plugin_name(%{manifest: %{id: {:unknown_atom, name}}}), do: name
  defp plugin_name(%{manifest: %{id: id}}), do: to_string(id)

  defp tidy(paragraphs), do: Enum.map_join(paragraphs, "\n\n", &String.trim/1)
end
