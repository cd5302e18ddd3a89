defmodule Mix.Tasks.Pipeline.Hooks do
  @shortdoc "Prints the reference of native hooks"

  @moduledoc """
  Prints what native hooks say of themselves: what they are for, their configuration, and an example.

      mix pipeline.hooks [NAME...] [--library MODULE] [--output FILE]

  With names, of these hooks alone. It is taken from the library that is built, so that it also serves for hooks of
  your own; those of Pipeline.Plugin are documented in `Pipeline.Native.Hooks`, too.

  ## Options

    * `--library` - a module that uses `Pipeline.Native.Library`, by default the library that Pipeline.Plugin ships
    * `--output` - the file to write, in place of the terminal
    * `--no-compile` - does not compile the project first
  """

  use Mix.Task

  alias Pipeline.Native.Hooks
  alias Pipeline.Options

  @switches [library: :string, output: :string, compile: :boolean]

  @impl Mix.Task
  def run(args) do
    {opts, names} = OptionParser.parse!(args, strict: @switches)

    if Keyword.get(opts, :compile, true) do
      Mix.Task.run("compile")
    else
      Mix.Task.run("loadpaths", ["--no-compile"])
    end

    all = opts[:library] |> library!() |> Hooks.all()
    text = names |> chosen!(all) |> Hooks.to_markdown()

    case opts[:output] do
      nil -> Mix.shell().info(text)
      file -> File.write!(file, text)
    end
  end

  defp library!(nil), do: Pipeline.Native

  defp library!(name) do
    module = Module.concat([name])

    if Code.ensure_loaded?(module) and function_exported?(module, :native_hooks, 0) do
      module
    else
      Mix.raise("#{name} is no native library: give a module that says use Pipeline.Native.Library")
    end
  end

  defp chosen!([], all), do: all

  defp chosen!(names, all) do
    known = Enum.map(all, & &1.name)

    for name <- names do
      Enum.find(all, &(&1.name == String.trim_leading(name, ":"))) ||
        Mix.raise("there is no native hook #{name}.#{Options.did_you_mean(name, known)}")
    end
  end
end
