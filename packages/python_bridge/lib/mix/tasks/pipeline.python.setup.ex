defmodule Mix.Tasks.Pipeline.Python.Setup do
  @shortdoc "Makes the virtual environment of the Python workers"

  @moduledoc """
  Makes the virtual environment in which Python workers run.

      mix pipeline.python.setup
      mix pipeline.python.setup --python python3.12 --requirements priv/python/requirements.txt

  It installs the packages of `priv/python/requirements.txt`, of this project and of each dependency that has one. Every
  package there has to have its version (`NAME==VERSION`). With hashes in the files, `pip` and `uv` check them.

  The environment is in `_build/python`, for all Mix environments. `Pipeline.Plugins.PythonBridge` uses it unless its
  `python_path` says otherwise. A second run does nothing unless a file or the interpreter has changed. When it fails, or is
  killed half way, the environment that was there stays in use.

  It uses `uv` where that is installed, otherwise `venv` and `pip`.

  ## Options

    * `--python` - the interpreter, a program or its name, by default `python3`. 3.9 or newer
    * `--requirements` - a file to install in place of those above; can be repeated
  """

  use Mix.Task

  alias Pipeline.Python.Environment

  @impl Mix.Task
  def run(args) do
    {opts, rest} = OptionParser.parse!(args, strict: [python: :string, requirements: :keep])
    if rest != [], do: Mix.raise("mix pipeline.python.setup takes no arguments, got: #{Enum.join(rest, " ")}")
    Mix.Task.run("loadpaths")
    root = Mix.Project.build_path() |> Path.dirname() |> Path.join("python")

    files =
      case Keyword.get_values(opts, :requirements) do
        [] -> found()
        files -> files
      end

    case Environment.setup(
           root: root,
           python: opts[:python],
           requirements: files,
           say: &Mix.shell().info("* " <> &1)
         ) do
      {:ok, :made, python} -> Mix.shell().info("* made #{python}")
      {:ok, :unchanged, python} -> Mix.shell().info("* #{python} is up to date")
      {:error, sentence} -> Mix.raise(sentence)
    end
  end

  defp found do
    folders = [File.cwd!() | Map.values(Mix.Project.deps_paths())]

    folders
    |> Enum.map(&Path.join(&1, "priv/python/requirements.txt"))
    |> Enum.filter(&File.regular?/1)
    |> Enum.sort()
  end
end
