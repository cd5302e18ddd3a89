defmodule Mix.Pipeline.Generated do
  @moduledoc false
  # Files of the generators: none is written if one of them exists, and all are formatted.

  @without_parens [capability: :*, hook: :*, hookpoint: :*, provides: :*, test_plugin: :*]

  @typedoc "The template, below priv/templates, and the file that it becomes."
  @type file :: {template :: Path.t(), target :: Path.t()}

  @doc "Raises if one of the files cannot be written without loss."
  @spec refuse_existing!([file], boolean) :: :ok
  def refuse_existing!(files, force?) do
    existing = for {_template, target} <- files, File.exists?(target), do: target

    if existing != [] and not force? do
      Mix.raise(
        "these files exist, nothing is written: #{Enum.join(existing, ", ")}. " <>
          "Choose another name, or overwrite them with --force"
      )
    end

    for {_template, target} <- files, folder = no_folder(target) do
      Mix.raise("#{folder} is a file and no folder, nothing is written. Choose another name or path")
    end

    :ok
  end

  defp no_folder(target) do
    target
    |> Path.split()
    |> Enum.scan(&Path.join(&2, &1))
    |> Enum.drop(-1)
    |> Enum.find(&(File.exists?(&1) and not File.dir?(&1)))
  end

  @doc "Writes the files, with what the templates are told."
  @spec write!([file], keyword) :: :ok
  def write!(files, assigns) do
    for {template, target} <- files do
      Mix.Generator.create_file(target, render(template, target, assigns), force: true)
    end

    :ok
  end

  @doc "What becomes of a template in a file."
  @spec render(Path.t(), Path.t(), keyword) :: iodata
  def render(template, target, assigns) do
    path = Application.app_dir(:pipeline_plugin, "priv/templates/#{template}.eex")
    path |> EEx.eval_file([assigns: assigns], trim: true) |> format(target)
  end

  @doc "The source as `mix format` of the project would write it."
  @spec format(String.t(), Path.t()) :: iodata
  def format(source, file) do
    if Path.extname(file) in [".ex", ".exs"] do
      opts = [locals_without_parens: @without_parens, line_length: line_length(file), file: file]
      [Code.format_string!(source, opts), "\n"]
    else
      source
    end
  end

  # Where a line breaks is for the project to say; a project that is only being written says nothing.
  defp line_length(file) do
    {_formatter, opts} = Mix.Tasks.Format.formatter_for_file(file)
    opts[:line_length] || 98
  end

  @doc "A path as it is written in a file of the folder `from`."
  @spec relative(Path.t(), Path.t()) :: Path.t()
  def relative(path, from), do: between(Path.split(Path.expand(path)), Path.split(Path.expand(from)))

  defp between([part | path], [part | from]), do: between(path, from)
  defp between([], []), do: "."
  defp between(path, from), do: Path.join(Enum.map(from, fn _ -> ".." end) ++ path)

  @doc "Raises unless the task runs in an application."
  @spec in_application!(String.t()) :: :ok
  def in_application!(task) do
    cond do
      Mix.Project.get() == nil ->
        Mix.raise("#{task} runs in a Mix project that depends on :pipeline_plugin: cd into one")

      Mix.Project.umbrella?() ->
        Mix.raise("#{task} runs in an application of the umbrella: cd into one under apps/")

      true ->
        :ok
    end
  end

  @doc "The sentence about an option that the task does not take so."
  @spec invalid_option(String.t(), String.t() | nil, keyword, String.t()) :: String.t()
  def invalid_option(option, value, switches, usage) do
    known = for {switch, _} <- switches, do: "--" <> String.replace("#{switch}", "_", "-")

    cond do
      option not in known ->
        "unknown option #{option}." <>
          Pipeline.Options.did_you_mean(option, known) <> " Known: #{Enum.join(known, ", ")}"

      value ->
        "#{option} takes no value, got: #{value}"

      true ->
        "#{option} needs a value. Write: " <> usage
    end
  end
end
