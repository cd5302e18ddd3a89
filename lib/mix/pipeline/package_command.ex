defmodule Mix.Pipeline.PackageCommand do
  @moduledoc false
  # What the Mix tasks for packages share: their options, their progress, their output.

  alias Pipeline.Foreign
  alias Pipeline.{Options, Package}

  @switches [packages: :string, trust: :keep, compile: :boolean]

  @doc "The arguments of a task, and the options for `Pipeline.Package`. Loads the project's configuration."
  @spec parse!(String.t(), [String.t()], arguments :: [String.t()], keyword) :: {[String.t()], keyword}
  def parse!(task, args, arguments, switches \\ []) do
    known = @switches ++ switches
    {opts, given, invalid} = OptionParser.parse(args, strict: known)

    case invalid do
      [] ->
        :ok

      [{option, _} | _] ->
        Mix.raise("unknown option or missing value: #{option}." <> did_you_mean(option, known))
    end

    if length(given) != length(arguments) do
      usage = Enum.join(["mix #{task}" | arguments], " ")
      Mix.raise("#{task} takes #{length(arguments)} arguments, got #{length(given)}. Write: #{usage}")
    end

    Mix.Task.run("app.config", if(opts[:compile] == false, do: ["--no-compile"], else: []))
    # Packages ask for its version, and natively checked versions need its library.
    Application.load(:pipeline_plugin)
    {given, options(opts, task)}
  end

  defp did_you_mean(option, known) do
    Options.did_you_mean(option, for({switch, _} <- known, do: "--" <> String.replace("#{switch}", "_", "-")))
  end

  # The doctor looks at packages where there are some.
  @without_packages ["pipeline.doctor"]

  defp options(opts, task) do
    folder = opts[:packages] || Application.get_env(:pipeline_plugin, :packages)

    unless folder || task in @without_packages do
      Mix.raise(
        "name the folder of the packages: --packages DIR, or config :pipeline_plugin, packages: \"DIR\""
      )
    end

    trust =
      case Keyword.get_values(opts, :trust) do
        [] -> []
        keys -> [trust: Enum.map(keys, &Mix.Tasks.Pipeline.Package.public_key!/1)]
      end

    Keyword.drop(opts, Keyword.keys(@switches)) ++ if(folder, do: [packages: folder], else: []) ++ trust
  end

  @doc "Shows how far a long step is, in one line."
  @spec progress() :: (atom, non_neg_integer, non_neg_integer | nil -> term)
  def progress do
    fn step, done, all ->
      # A terminal alone can be written over.
      if step in [:download, :unpack] and match?({:ok, _}, :io.columns()) do
        last = if done == all, do: "\n", else: ""
        IO.write("\r#{label(step)} #{amount(step, done, all)}\e[K#{last}")
      end
    end
  end

  defp label(:download), do: "Downloading"
  defp label(:unpack), do: "Unpacking"

  defp amount(:download, done, nil), do: "#{div(done, 1024)} KiB"
  defp amount(:download, done, all), do: "#{div(done, 1024)} of #{div(all, 1024)} KiB"
  defp amount(_step, done, all), do: "#{done} of #{all} files"

  @doc "The value, or the task fails with the message of the error."
  @spec value!(:ok | {:ok, value} | {:error, Exception.t()}) :: :ok | value when value: term
  def value!(:ok), do: :ok
  def value!({:ok, value}), do: value
  def value!({:error, error}), do: Mix.raise(Exception.message(error))

  @doc "A package in one line."
  @spec line(Package.info()) :: String.t()
  def line(info), do: Foreign.line("#{info.name} #{info.version}  #{info.description}")

  @doc "A package in many lines."
  @spec lines(Package.info()) :: [String.t()]
  def lines(info) do
    requires = info.requires

    [
      "#{info.name} #{info.version}",
      row("plugin", info.id),
      row("description", info.description),
      row("folder", info.path && Path.relative_to_cwd(info.path)),
      row("signed by", info.signed_by || "nobody"),
      row("platforms", list(info.platforms, "every")),
      row(
        "requires",
        "Elixir #{requires.elixir}, OTP #{requires.otp}, pipeline_plugin #{requires.pipeline_plugin}"
      ),
      row("brings", list(info.dependencies, "no dependency")),
      row("modules", length(info.modules))
    ]
  end

  defp row(name, text), do: "  #{String.pad_trailing(name, 12)}  #{Foreign.line("#{text}")}"

  defp list([], none), do: none
  defp list(names, _none), do: Enum.join(names, ", ")
end
