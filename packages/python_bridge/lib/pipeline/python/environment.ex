defmodule Pipeline.Python.Environment do
  @moduledoc false
  # The virtual environment that mix pipeline.python.setup makes.
  #
  #     _build/python/current -> env-3f9a…
  #     _build/python/env-3f9a…/           the environment; .complete has the digest of what it was made from
  #     _build/python/env-3f9a….owner      the operating system process that makes it, while it does
  #
  # An environment cannot be moved, so it is made where it stays, and `current` is replaced by a rename once it is complete.
  # The one before is kept, since workers may still run in it. What an interrupted setup has left is removed by the next.

  alias Pipeline.Python.Interpreter

  @oldest {3, 9}
  @complete ".complete"

  # Lines of a failed program that an error shows.
  @last 12

  @type option ::
          {:root, Path.t()}
          | {:python, String.t() | nil}
          | {:requirements, [Path.t()]}
          | {:say, (String.t() -> term)}

  @doc "Where environments are, beside the build of the host."
  @spec root() :: Path.t()
  def root, do: :python_bridge |> Application.app_dir() |> Path.join("../../../python") |> Path.expand()

  @doc "The interpreter of the current environment, `nil` if there is none."
  @spec interpreter(Path.t()) :: Path.t() | nil
  def interpreter(root \\ root()) do
    with {:ok, name} <- File.read_link(Path.join(root, "current")),
         python = Path.join([root, name, "bin/python"]),
         true <- File.exists?(python) do
      python
    else
      _ -> nil
    end
  end

  @doc "Makes the environment of some requirement files, unless it is there already."
  @spec setup([option]) :: {:ok, :made | :unchanged, Path.t()} | {:error, sentence :: String.t()}
  def setup(opts) do
    root = Keyword.get_lazy(opts, :root, &root/0)
    say = opts[:say] || fn _line -> :ok end

    with {:ok, python} <- find(opts[:python]),
         {:ok, version} <- version(python),
         {:ok, requirements} <- read(opts[:requirements] || []) do
      digest = digest([python, version | requirements])

      if digest == current_digest(root) and interpreter(root) != nil,
        do: {:ok, :unchanged, interpreter(root)},
        else: make(root, python, opts[:requirements] || [], digest, say)
    end
  end

  # An explicit interpreter, since the default would be that of the environment itself.
  defp find(nil), do: Interpreter.find("python3")
  defp find(python), do: Interpreter.find(python)

  defp version(python) do
    case run(python, ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]) do
      {:ok, output} ->
        [major, minor] = output |> String.trim() |> String.split(".") |> Enum.map(&String.to_integer/1)

        if {major, minor} >= @oldest,
          do: {:ok, "#{major}.#{minor}"},
          else:
            {:error, "#{python} is Python #{major}.#{minor}; 3.9 or newer is needed, name one with --python"}

      {:error, output} ->
        {:error, "#{python} does not run: #{output}"}
    end
  end

  defp read(files) do
    Enum.reduce_while(files, {:ok, []}, fn file, {:ok, read} ->
      with {:ok, text} <- File.read(file),
           nil <- Enum.find(requirements(text), &(not locked?(&1))) do
        {:cont, {:ok, read ++ [text]}}
      else
        {:error, reason} ->
          {:halt, {:error, "#{file} cannot be read: #{:file.format_error(reason)}"}}

        line ->
          {:halt,
           {:error,
            "#{file} is not locked: #{line} names no version; write NAME==VERSION for each package, as uv pip compile " <>
              "and pip freeze do"}}
      end
    end)
  end

  # Without comments and options; a backslash continues a line.
  defp requirements(text) do
    text
    |> String.replace("\\\n", " ")
    |> String.split("\n")
    |> Enum.map(&(&1 |> String.replace(~r/(^|\s)#.*/, "") |> String.trim()))
    |> Enum.reject(&(&1 == "" or String.starts_with?(&1, "-")))
  end

  defp locked?(line),
    do: line =~ ~r/^[A-Za-z0-9._-]+(\[[^\]]*\])?\s*==\s*[^*\s,]+(\s|;|$)/ or line =~ ~r/ @ \S+/

  defp digest(parts) do
    :sha256 |> :crypto.hash(Enum.map(parts, &[<<byte_size(&1)::64>>, &1])) |> Base.encode16(case: :lower)
  end

  defp current_digest(root) do
    with {:ok, digest} <- File.read(Path.join([root, "current", @complete])), do: digest
  end

  defp make(root, python, requirements, digest, say) do
    name = "env-" <> Base.encode16(:crypto.strong_rand_bytes(8), case: :lower)
    folder = Path.join(root, name)

    with :ok <- file(File.mkdir_p(root), root),
         :ok <- remove_leftovers(root),
         :ok <- file(File.write(folder <> ".owner", owner()), root),
         :ok <- create(python, folder, say),
         :ok <- install(folder, requirements, say),
         :ok <- file(File.write(Path.join(folder, @complete), digest), folder),
         :ok <- switch(root, name) do
      File.rm(folder <> ".owner")
      {:ok, :made, interpreter(root)}
    else
      {:error, sentence} ->
        File.rm_rf(folder)
        File.rm(folder <> ".owner")
        {:error, sentence}
    end
  end

  defp create(python, folder, say) do
    if uv = System.find_executable("uv") do
      say.("making a virtual environment with uv")

      run(uv, ["venv", "--quiet", "--python", python, folder])
      |> failed("uv could not make a virtual environment")
    else
      say.("making a virtual environment with #{python} -m venv")
      # Pip comes by itself, where there is something to install: venv would not show why it fails.
      run(python, ["-m", "venv", "--without-pip", folder]) |> failed("#{python} -m venv failed")
    end
  end

  defp install(_folder, [], _say), do: :ok

  defp install(folder, requirements, say) do
    python = Path.join(folder, "bin/python")
    files = Enum.flat_map(requirements, &["-r", &1])
    say.("installing " <> Enum.join(requirements, ", "))

    if uv = System.find_executable("uv") do
      run(uv, ["pip", "install", "--quiet", "--python", python | files])
      |> failed("the packages could not be installed")
    else
      with :ok <- run(python, ["-m", "ensurepip"]) |> failed(&no_pip/1) do
        run(python, ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check" | files])
        |> failed("the packages could not be installed")
      end
    end
  end

  defp no_pip(output) do
    if output =~ "No module named ensurepip",
      do: "pip is missing: on Debian, install it with apt-get install python3-venv, or install uv",
      else: "pip could not be installed"
  end

  defp failed({:ok, _output}, _what), do: :ok
  defp failed({:error, output}, what) when is_function(what), do: failed({:error, output}, what.(output))
  defp failed({:error, output}, what), do: {:error, "#{what}; nothing is left of it: #{output}"}

  defp switch(root, name) do
    before = File.read_link(Path.join(root, "current"))
    link = Path.join(root, "current." <> name)

    with :ok <- file(File.ln_s(name, link), root),
         :ok <- file(File.rename(link, Path.join(root, "current")), root) do
      keep = [name | for({:ok, name} <- [before], do: name)]

      for env <- environments(root),
          env not in keep,
          not owned?(root, env),
          do: File.rm_rf(Path.join(root, env))

      :ok
    else
      error ->
        File.rm(link)
        error
    end
  end

  # Of a setup that was killed. One that runs at the same time is left alone.
  defp remove_leftovers(root) do
    for env <- environments(root),
        not File.exists?(Path.join([root, env, @complete])),
        not owned?(root, env),
        do: File.rm_rf(Path.join(root, env))

    for owner <- Path.wildcard(Path.join(root, "env-*.owner")),
        env = Path.basename(owner, ".owner"),
        not owned?(root, env),
        do: File.rm(owner)

    for link <- Path.wildcard(Path.join(root, "current.env-*")),
        not owned?(root, String.replace_prefix(Path.basename(link), "current.", "")),
        do: File.rm(link)

    :ok
  end

  defp environments(root) do
    for path <- Path.wildcard(Path.join(root, "env-*")), File.dir?(path), do: Path.basename(path)
  end

  defp owned?(root, env) do
    with {:ok, owner} <- File.read(Path.join(root, env <> ".owner")),
         [os_pid, started] <- String.split(owner, " ", parts: 2) do
      started == started(os_pid)
    else
      _ -> false
    end
  end

  defp owner, do: "#{System.pid()} #{started(System.pid())}"

  # Another process may have the number later.
  defp started(os_pid) do
    case File.read("/proc/#{os_pid}/stat") do
      {:ok, stat} -> stat |> String.split(")") |> List.last() |> String.split() |> Enum.at(19)
      _ -> nil
    end
  end

  defp file(:ok, _path), do: :ok
  defp file({:error, reason}, path), do: {:error, "#{path} cannot be written: #{:file.format_error(reason)}"}

  # Not disturbed by an environment that the caller is in.
  @unset ~w(PYTHONHOME PYTHONPATH VIRTUAL_ENV)

  defp run(program, args) do
    case System.cmd(program, args, stderr_to_stdout: true, env: Enum.map(@unset, &{&1, nil})) do
      {output, 0} -> {:ok, output}
      {output, status} -> {:error, "it ended with status #{status}" <> said(output)}
    end
  rescue
    error in ErlangError -> {:error, Exception.message(error)}
  end

  # The last lines, and those before that name an error.
  defp said(output) do
    output = if String.valid?(output), do: output, else: inspect(output)
    {before, last} = output |> String.split("\n", trim: true) |> Enum.split(-@last)
    errors = before |> Enum.filter(&(&1 =~ ~r/^ERROR|^error|\[Errno/)) |> Enum.take(3)
    Enum.map_join(errors ++ last, &("\n  " <> &1))
  end
end
